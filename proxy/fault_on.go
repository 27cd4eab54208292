//go:build fault

package proxy

import (
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
)

// SLUICE_FAULT=NAME:N stops the process at the Nth passing of the moment NAME:
// of the thread that comes there not one more instruction is run, and whoever
// waits for the process kills it. 1 is meant where there is no N.
const faultVar = "SLUICE_FAULT"

var (
	faultName string
	faultsYet atomic.Int64 // passings until the fault
)

func init() {
	name, count, _ := strings.Cut(os.Getenv(faultVar), ":")
	n, err := strconv.Atoi(count)
	if err != nil {
		n = 1
	}
	faultName = name
	faultsYet.Store(int64(n))
}

func fault(name string) {
	if name != faultName || faultsYet.Add(-1) != 0 {
		return
	}
	for { // a signal to the own thread is taken before the call returns
		syscall.Tgkill(os.Getpid(), syscall.Gettid(), syscall.SIGSTOP)
	}
}
