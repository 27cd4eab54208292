package health

import (
	"os"
	"testing"

	"sluice/internal/testnet"
)

func TestMain(m *testing.M) { os.Exit(testnet.Main(m)) }
