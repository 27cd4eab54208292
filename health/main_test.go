package health

import (
	"os"
	"testing"

	"sluice/internal/testnet"
)

func TestMain(m *testing.M) {
	if text := os.Getenv(grpcServerVar); text != "" {
		grpcServer(text)
		return
	}
	os.Exit(testnet.Main(m))
}
