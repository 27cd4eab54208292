// Package testnet is what the tests of every package stand on: peers that
// echo, trickle, half-close and reset, a payload that shows any damage, and a
// Main that fails on a leaked descriptor or goroutine.
package testnet

import (
	"fmt"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// stacksVar set to 1 makes Main print the stack that opened a leaked socket or
// file. It samples every allocation, so it is not on by default.
const stacksVar = "SLUICE_TEST_STACKS"

// Main runs the tests of a package and returns the exit code: that of the
// tests, or 1 if a descriptor or a goroutine outlived them.
//
//	func TestMain(m *testing.M) { os.Exit(testnet.Main(m)) }
func Main(m *testing.M) int {
	if os.Getenv(stacksVar) == "1" {
		runtime.MemProfileRate = 1
	}
	warmUp()
	before := Descriptors()
	code := m.Run()
	if code != 0 {
		return code // a failed test may leave things behind
	}
	if err := goleak.Find(); err != nil {
		fmt.Fprintf(os.Stderr, "testnet: goroutines outlived the tests: %v\n", err)
		code = 1
	}
	if leaked := outlived(before, time.Second); len(leaked) > 0 {
		fmt.Fprintf(os.Stderr, "testnet: %d descriptors outlived the tests:\n%s", len(leaked), report(leaked))
		code = 1
	}
	return code
}

// Leaks fails the test if a descriptor that was not open when Leaks was called
// is open when the test and its cleanups are over.
func Leaks(tb testing.TB) {
	tb.Helper()
	warmUp()
	before := Descriptors()
	tb.Cleanup(func() {
		if leaked := outlived(before, time.Second); len(leaked) > 0 {
			tb.Errorf("%d descriptors outlived the test:\n%s", len(leaked), report(leaked))
		}
	})
}

// warmUp opens what the runtime opens once and keeps: the netpoller's epoll
// and eventfd.
func warmUp() {
	if r, w, err := os.Pipe(); err == nil {
		r.Close()
		w.Close()
	}
}

// outlived is what is open and was not before. A descriptor is given patience
// to go: a killed child, for one, is closed by another goroutine.
func outlived(before []Descriptor, patience time.Duration) []Descriptor {
	for end := time.Now().Add(patience); ; time.Sleep(5 * time.Millisecond) {
		leaked := Since(before)
		if len(leaked) == 0 || time.Now().After(end) {
			return leaked
		}
	}
}

func report(leaked []Descriptor) string {
	var b strings.Builder
	for _, d := range leaked {
		fmt.Fprintf(&b, "\t%v\n", d)
	}
	if os.Getenv(stacksVar) == "1" {
		b.WriteString(openers())
	} else {
		fmt.Fprintf(&b, "\trun again with %s=1 to see which stacks opened them\n", stacksVar)
	}
	return b.String()
}
