package integration

import (
	"fmt"
	"os"
	"strconv"
	"syscall"
	"testing"

	"sluice/cmd"
	"sluice/internal/testnet"
)

const (
	asVar     = "SLUICE_TEST_AS"     // what this process is: sluice, or a helper
	nofileVar = "SLUICE_TEST_NOFILE" // its limit of open files
	userVar   = "SLUICE_TEST_USER"   // the user it becomes
	orphanVar = "SLUICE_TEST_ORPHAN" // set: it may outlive its main process
)

// helpers are the other things this binary can be.
var helpers = map[string]func() error{}

func TestMain(m *testing.M) {
	switch as := os.Getenv(asVar); as {
	case "":
		os.Exit(testnet.Main(m))
	case "sluice":
		limit()
		if os.Getenv(orphanVar) == "" {
			dieWithParent() // the worker process as well: no test leaves an orphan
			if os.Getenv("SLUICE_ROLE") == "worker" && os.Getppid() == 1 {
				os.Exit(1) // it has died already
			}
		}
		failIfAsked()
		os.Exit(cmd.Main())
	default:
		limit()
		if err := helpers[as](); err != nil {
			fmt.Fprintf(os.Stderr, "%s: %v\n", as, err)
			os.Exit(1)
		}
	}
}

// limit takes the limits of the environment upon this process.
func limit() {
	if s := os.Getenv(nofileVar); s != "" {
		n, _ := strconv.ParseUint(s, 10, 64)
		if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &syscall.Rlimit{Cur: n, Max: n}); err != nil {
			panic(err)
		}
	}
	if s := os.Getenv(userVar); s != "" {
		id, _ := strconv.Atoi(s)
		if os.Getuid() == id {
			return
		}
		for _, err := range []error{syscall.Setgroups(nil), syscall.Setgid(id), syscall.Setuid(id)} {
			if err != nil {
				panic(err)
			}
		}
		dieWithParent() // changing the user has cleared that wish
	}
}

func dieWithParent() {
	syscall.Syscall(syscall.SYS_PRCTL, syscall.PR_SET_PDEATHSIG, uintptr(syscall.SIGKILL), 0)
}
