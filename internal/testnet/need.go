package testnet

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"
)

// All reports whether SLUICE_TEST_ALL=1: nothing may be skipped, and tests
// that have a long form take it.
func All() bool { return os.Getenv("SLUICE_TEST_ALL") == "1" }

// Skip ends the test and says why. With SLUICE_TEST_ALL=1 that is a failure.
func Skip(tb testing.TB, format string, args ...any) {
	tb.Helper()
	if All() {
		tb.Fatalf("SLUICE_TEST_ALL=1 and "+format, args...)
	}
	tb.Skipf(format, args...)
}

// Need skips the test unless every program can be run, and returns the paths
// of the programs in the order asked for. Besides PATH it looks where Debian
// keeps servers.
func Need(tb testing.TB, programs ...string) []string {
	tb.Helper()
	paths := make([]string, len(programs))
	var missing []string
	for i, p := range programs {
		if paths[i] = Find(p); paths[i] == "" {
			missing = append(missing, p)
		}
	}
	if missing != nil {
		Skip(tb, "not installed: %s", strings.Join(missing, ", "))
	}
	return paths
}

// Find is the path of a program, "" if it is not installed.
func Find(program string) string {
	if p, err := exec.LookPath(program); err == nil {
		return p
	}
	for _, dir := range []string{"/usr/sbin/", "/sbin/", "/usr/local/sbin/"} {
		if info, err := os.Stat(dir + program); err == nil && info.Mode()&0o111 != 0 {
			return dir + program
		}
	}
	return ""
}

// NeedRoot skips the test unless it runs as root.
func NeedRoot(tb testing.TB) {
	tb.Helper()
	if os.Getuid() != 0 {
		Skip(tb, "not root")
	}
}

// HasMPTCP reports whether the kernel has MPTCP, here and now.
func HasMPTCP() bool {
	const protocol = 262 // IPPROTO_MPTCP
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, protocol)
	if err == nil {
		syscall.Close(fd)
	}
	return err == nil
}

// Eventually waits until ok says so, and fails the test if that takes longer
// than patience. what is the claim: "the backend is up again".
func Eventually(tb testing.TB, patience time.Duration, what string, ok func() bool) {
	tb.Helper()
	if !Until(patience, ok) {
		tb.Fatalf("not within %v: %s", patience, what)
	}
}

// Until waits until ok says so, and reports whether it did within patience.
// The state of another process can only be asked for, so it asks often.
func Until(patience time.Duration, ok func() bool) bool {
	for end := time.Now().Add(patience); !ok(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(end) {
			return ok()
		}
	}
	return true
}

// Still waits until a number has not changed for a while, and returns it; it fails
// the test if that takes longer than patience. what is the claim: "the backend can
// send no more".
func Still[N comparable](tb testing.TB, patience, while time.Duration, what string, number func() N) N {
	tb.Helper()
	n, ok := UntilStill(patience, while, number)
	if !ok {
		tb.Fatalf("not within %v: %s", patience, what)
	}
	return n
}

// UntilStill is Still for who has no test to fail. Only time can show that nothing
// more comes, so it looks at the clock.
func UntilStill[N comparable](patience, while time.Duration, number func() N) (last N, still bool) {
	last, since := number(), time.Now()
	still = Until(patience, func() bool {
		if n := number(); n != last {
			last, since = n, time.Now()
		}
		return time.Since(since) >= while
	})
	return last, still
}

// Must fails the test on an error. what is what was tried.
func Must(tb testing.TB, what string, err error) {
	tb.Helper()
	if err != nil {
		tb.Fatal(fmt.Errorf("%s: %w", what, err))
	}
}
