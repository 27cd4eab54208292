package sys

import (
	"bytes"
	"os"
	"runtime"
	"testing"
)

// policy is the scheduling policy of the calling thread as the kernel has it
// (proc_pid_stat(5), field 41).
func policy(t *testing.T) string {
	t.Helper()
	stat, err := os.ReadFile("/proc/thread-self/stat")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := bytes.Cut(stat, []byte(") ")) // behind field 2
	return string(bytes.Fields(rest)[41-3])
}

func TestBatchIsOfTheCallingThreadAlone(t *testing.T) {
	done := make(chan string)
	go func() {
		runtime.LockOSThread() // and never back: the thread ends with the goroutine
		Batch()
		done <- policy(t)
	}()
	if got := <-done; got != "3" {
		t.Errorf("policy %s after Batch, want 3 (SCHED_BATCH)", got)
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if got := policy(t); got != "0" {
		t.Errorf("policy %s of another thread, want 0 (SCHED_OTHER)", got)
	}
}
