package sys

import (
	"fmt"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// Pair makes two connected sockets that keep messages apart and close on exec.
// When one is closed the other reads an end.
func Pair() (a, b int, err error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	return fds[0], fds[1], os.NewSyscallError("socketpair", err)
}

// Spawn starts a program in a process group of its own with files as its
// descriptors from 0 on.
func Spawn(path string, args, env []string, files []uintptr) (pid int, err error) {
	pid, err = syscall.ForkExec(path, args, &syscall.ProcAttr{
		Env: env, Files: files, Sys: &syscall.SysProcAttr{Setpgid: true},
	})
	return pid, os.NewSyscallError("fork and exec", err)
}

// Reap takes one child that has ended; false: there is none.
func Reap() (pid int, status syscall.WaitStatus, ok bool) {
	for {
		pid, err := syscall.Wait4(-1, &status, syscall.WNOHANG, nil)
		if err != syscall.EINTR {
			return pid, status, err == nil && pid > 0
		}
	}
}

// OpenProgram opens a file that can be run, for nothing else.
func OpenProgram(path string) (int, error) {
	fd, err := unix.Open(path, unix.O_PATH|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1, &os.PathError{Op: "open", Path: path, Err: err}
	}
	var st unix.Stat_t
	err = unix.Fstat(fd, &st)
	if err == nil && st.Mode&unix.S_IFMT != unix.S_IFREG {
		err = syscall.EACCES
	}
	if err == nil {
		err = unix.Access(fmt.Sprintf("/proc/self/fd/%d", fd), unix.X_OK)
	}
	if err != nil {
		unix.Close(fd)
		return -1, &os.PathError{Op: "run", Path: path, Err: err}
	}
	return fd, nil
}

// Exists reports whether a process, or what is left of it until it is reaped, is
// there.
func Exists(pid int) bool { return pid > 0 && syscall.Kill(pid, 0) != syscall.ESRCH }
