package main

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"
	"unsafe"
)

// Usage is CPU time spent, and the state of the machine while it was.
type Usage struct {
	Proxy, Backend, Client time.Duration
	User, System           float64 // of the proxy, seconds, in steps of a clock tick
	Busy, Steal            float64 // of the machine, seconds over all CPUs
}

// usage reads all the clocks, now.
func usage(w Watch) Usage {
	u := Usage{Client: cpuClock(os.Getpid())}
	for _, pid := range w.Proxy {
		u.Proxy += cpuClock(pid)
		user, system := ticks(pid)
		u.User, u.System = u.User+user, u.System+system
	}
	for _, pid := range w.Backend {
		u.Backend += cpuClock(pid)
	}
	u.Busy, u.Steal = machine()
	return u
}

// since is what was used from before to u.
func (u Usage) since(before Usage) Usage {
	return Usage{
		Proxy: u.Proxy - before.Proxy, Backend: u.Backend - before.Backend, Client: u.Client - before.Client,
		User: u.User - before.User, System: u.System - before.System,
		Busy: u.Busy - before.Busy, Steal: u.Steal - before.Steal,
	}
}

// cpuClock is the CPU time of a process to the nanosecond, threads that have
// ended included: the clock of clock_getcpuclockid(3). 0 if it is gone.
func cpuClock(pid int) time.Duration {
	var t syscall.Timespec
	const schedulerClock = 2
	clock := int32(^pid<<3 | schedulerClock)
	syscall.RawSyscall(syscall.SYS_CLOCK_GETTIME, uintptr(clock), uintptr(unsafe.Pointer(&t)), 0)
	return time.Duration(t.Nano())
}

const ticksPerSecond = 100 // of the files in /proc, whatever the kernel's own

// ticks is what /proc/PID/stat says of user and system time.
func ticks(pid int) (user, system float64) {
	fields := statFields(pid)
	if len(fields) < 13 {
		return 0, 0
	}
	user, _ = strconv.ParseFloat(fields[11], 64)
	system, _ = strconv.ParseFloat(fields[12], 64)
	return user / ticksPerSecond, system / ticksPerSecond
}

// statFields are those of /proc/PID/stat behind the name: 0 is the state, 1
// the parent, 2 the process group.
func statFields(pid int) []string {
	text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	i := bytes.LastIndexByte(text, ')')
	return strings.Fields(string(text[i+1:]))
}

// machine is the time the CPUs were not idle, and that somebody else's machine
// had them.
func machine() (busy, steal float64) {
	text, _ := os.ReadFile("/proc/stat")
	line, _, _ := strings.Cut(string(text), "\n")
	for i, f := range strings.Fields(line) {
		n, _ := strconv.ParseFloat(f, 64)
		switch i {
		case 1, 2, 3, 6, 7: // user, nice, system, irq, softirq
			busy += n / ticksPerSecond
		case 8:
			steal = n / ticksPerSecond
		}
	}
	return busy, steal
}

// Memory is what processes hold in user space, in bytes.
type Memory struct {
	PSS float64 `json:"pss"` // shared pages divided among those that share them
	USS float64 `json:"uss"` // pages nobody else has
}

// memory adds up smaps_rollup.
func memory(pids []int) (m Memory) {
	for _, pid := range pids {
		text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
		for lines := bufio.NewScanner(bytes.NewReader(text)); lines.Scan(); {
			f := strings.Fields(lines.Text())
			if len(f) < 3 || f[2] != "kB" {
				continue
			}
			kib, _ := strconv.ParseFloat(f[1], 64)
			switch f[0] {
			case "Pss:":
				m.PSS += kib * 1024
			case "Private_Clean:", "Private_Dirty:":
				m.USS += kib * 1024
			}
		}
	}
	return m
}

// descriptors counts the open files of the processes, one that several of them
// share only once.
func descriptors(pids []int) int {
	seen := map[string]bool{}
	unique := 0
	for _, pid := range pids {
		dir := fmt.Sprintf("/proc/%d/fd", pid)
		entries, _ := os.ReadDir(dir)
		for _, e := range entries {
			to, err := os.Readlink(dir + "/" + e.Name())
			switch {
			case err != nil:
			case strings.HasPrefix(to, "socket:"):
				if !seen[to] {
					seen[to] = true
					unique++
				}
			default: // both ends of a pipe have one name
				unique++
			}
		}
	}
	return unique
}

// wakeups is how often the threads of the processes went to sleep of their own
// accord.
func wakeups(pids []int) (n float64) {
	for _, pid := range pids {
		dir := fmt.Sprintf("/proc/%d/task", pid)
		tasks, _ := os.ReadDir(dir)
		for _, task := range tasks {
			text, _ := os.ReadFile(dir + "/" + task.Name() + "/status")
			_, rest, _ := strings.Cut(string(text), "\nvoluntary_ctxt_switches:")
			line, _, _ := strings.Cut(rest, "\n")
			count, _ := strconv.ParseFloat(strings.TrimSpace(line), 64)
			n += count
		}
	}
	return n
}
