package main

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
)

// Namespace is a network namespace without a name: it is gone when its last
// process and this descriptor are, however the driver ends.
type Namespace struct{ file *os.File }

// path is a name for programs that want a file.
func (n *Namespace) path() string {
	return fmt.Sprintf("/proc/%d/fd/%d", os.Getpid(), n.file.Fd())
}

// launcher is the one thread that enters namespaces. Children are started from
// it, so that the thread whose death would kill them lives as long as the
// driver.
type launcher struct {
	asked chan func()
	home  *os.File
}

func newLauncher() (*launcher, error) {
	l := &launcher{asked: make(chan func())}
	failed := make(chan error)
	go func() {
		runtime.LockOSThread()
		var err error
		l.home, err = os.Open("/proc/thread-self/ns/net")
		failed <- err
		for f := range l.asked {
			f()
		}
	}()
	return l, <-failed
}

// close ends the thread, and with it every child that is left.
func (l *launcher) close() {
	close(l.asked)
	l.home.Close()
}

// in runs f on the launcher's thread, inside ns.
func (l *launcher) in(ns *Namespace, f func() error) error {
	done := make(chan error)
	l.asked <- func() {
		if err := setns(ns.file); err != nil {
			done <- fmt.Errorf("enter a network namespace: %w", err)
			return
		}
		err := f()
		l.goHome()
		done <- err
	}
	return <-done
}

// make makes a namespace with lo up and the settings of every measurement.
func (l *launcher) make() (*Namespace, error) {
	ns := &Namespace{}
	done := make(chan error)
	l.asked <- func() {
		if err := syscall.Unshare(syscall.CLONE_NEWNET); err != nil {
			done <- fmt.Errorf("make a network namespace: %w", err)
			return
		}
		var err error
		ns.file, err = os.Open("/proc/thread-self/ns/net")
		l.goHome()
		done <- err
	}
	if err := <-done; err != nil {
		return nil, err
	}
	err := l.in(ns, func() error {
		if err := ip("link set lo up"); err != nil {
			return err
		}
		for _, s := range sysctls {
			if err := setSysctl(s.name, s.value); err != nil {
				return err
			}
		}
		return nil
	})
	return ns, err
}

// goHome must not fail: the thread would start the next child in the wrong
// place.
func (l *launcher) goHome() {
	if err := setns(l.home); err != nil {
		panic(fmt.Sprintf("leave a network namespace: %v", err))
	}
}

// congestion control neither paces nor probes; that sockets have it is looked
// at, since some are refused in a namespace without an error.
const congestion = "reno"

// sysctls are the settings of a namespace. Without time-wait sockets no run
// leaves any to the next.
var sysctls = []struct{ name, value string }{
	{"net.ipv4.tcp_congestion_control", congestion},
	{"net.ipv4.tcp_max_tw_buckets", "0"},
	{"net.ipv4.ip_local_port_range", "10000\t65535"},
	{"net.core.somaxconn", "16384"},
	{"net.ipv4.tcp_max_syn_backlog", "16384"},
	{"net.ipv4.ip_forward", "1"},
}

// setSysctl sets a value in the namespace of the calling thread and looks
// whether it took: some are refused without an error.
func setSysctl(name, value string) error {
	path := "/proc/sys/" + strings.ReplaceAll(name, ".", "/")
	if err := os.WriteFile(path, []byte(value), 0); err != nil {
		return fmt.Errorf("set %s to %s: %w", name, value, err)
	}
	got, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if strings.TrimSpace(string(got)) != value {
		return fmt.Errorf("set %s to %s: it is %s", name, value, strings.TrimSpace(string(got)))
	}
	return nil
}

// ip runs one command of ip(8) in the namespace of the calling thread.
func ip(command string) error { return tool("ip", strings.Fields(command)...) }

func tool(name string, args ...string) error {
	path := find(name)
	if path == "" {
		return fmt.Errorf("%s is not installed", name)
	}
	out, err := exec.Command(path, args...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s %s: %w: %s", name, strings.Join(args, " "), err, strings.TrimSpace(string(out)))
	}
	return nil
}

func setns(f *os.File) error {
	_, _, errno := syscall.RawSyscall(sysSetns, f.Fd(), syscall.CLONE_NEWNET, 0)
	if errno != 0 {
		return errno
	}
	return nil
}
