package sys

import (
	"time"

	"golang.org/x/sys/unix"
)

// Batch tells the kernel that the calling thread gains more from working
// through what has gathered than from an early start: a wake-up does not
// interrupt who is running (SCHED_BATCH, sched(7)). Needs no privilege; a
// kernel that refuses leaves things as they were, and so does a thread that was
// given another policy. The nice value stays.
func Batch() {
	if a, err := unix.SchedGetAttr(0, 0); err == nil && a.Policy == unix.SCHED_NORMAL {
		a.Policy = unix.SCHED_BATCH
		unix.SchedSetAttr(0, a, 0)
	}
}

// Thread is the number of the calling thread.
func Thread() int { return unix.Gettid() }

// ThreadTime is the CPU time that a thread of this process has used, 0 if there
// is no such thread (clock_getcpuclockid(3) for a thread).
func ThreadTime(thread int) time.Duration {
	const perThread, scheduler = 4, 2
	var t unix.Timespec
	if unix.ClockGettime(int32(^thread<<3|perThread|scheduler), &t) != nil {
		return 0
	}
	return time.Duration(t.Nano())
}
