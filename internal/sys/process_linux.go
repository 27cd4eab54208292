package sys

import (
	"math"
	"syscall"

	"golang.org/x/sys/unix"
)

// CloseAllOnExec marks every open descriptor beyond the standard three, those
// included that this process was started with (close_range(2), Linux 5.11).
func CloseAllOnExec() syscall.Errno {
	_, _, e := unix.Syscall(unix.SYS_CLOSE_RANGE, 3, math.MaxUint32, unix.CLOSE_RANGE_CLOEXEC)
	return e
}

// KillGroup kills every process of a group.
func KillGroup(group int) syscall.Errno {
	_, _, e := unix.Syscall(unix.SYS_KILL, uintptr(-group), uintptr(unix.SIGKILL), 0)
	return e
}

// ReapGroup takes what has ended of a group, as far as it is this process's to
// take: its own children, and as PID 1 whoever lost his parent. It does not
// wait; more says that some are still to end.
func ReapGroup(group int) (more bool) {
	for {
		pid, err := unix.Wait4(-group, nil, unix.WNOHANG, nil)
		switch {
		case err == unix.EINTR || err == nil && pid > 0:
		default:
			return err == nil
		}
	}
}
