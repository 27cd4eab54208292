package integration

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"sluice/internal/testnet"
)

// Usage is what a process holds of the machine.
type Usage struct {
	Sockets, Pipes, Others int // descriptors
	RSS                    int64
	CPU                    time.Duration // since it started
}

func (u Usage) String() string {
	return fmt.Sprintf("%d sockets, %d ends of pipes, %d other descriptors, %d KiB, CPU %v",
		u.Sockets, u.Pipes, u.Others, u.RSS>>10, u.CPU)
}

// Usage is what the process holds now.
func (p *Process) Usage() Usage {
	pid := p.PID()
	u := usageOf(pid)
	if pid != p.cmd.Process.Pid {
		u.Sockets-- // its line to the main process
	}
	return u
}

// Sockets is how many sockets it has open.
func (p *Process) Sockets() int { return p.Usage().Sockets }

func usageOf(pid int) Usage {
	var u Usage
	for _, d := range testnet.DescriptorsOf(strconv.Itoa(pid)) {
		switch kind, _, _ := strings.Cut(d.Link, ":"); kind {
		case "socket":
			u.Sockets++
		case "pipe":
			u.Pipes++
		default:
			u.Others++
		}
	}
	dir := fmt.Sprintf("/proc/%d/", pid)
	if text, err := os.ReadFile(dir + "statm"); err == nil {
		if f := strings.Fields(string(text)); len(f) > 1 {
			pages, _ := strconv.ParseInt(f[1], 10, 64)
			u.RSS = pages * int64(os.Getpagesize())
		}
	}
	if text, err := os.ReadFile(dir + "stat"); err == nil {
		// The name, in parentheses, may hold spaces; utime and stime are the
		// 12th and 13th field after it, in ticks of 10 ms.
		_, rest, _ := strings.Cut(string(text), ") ")
		if f := strings.Fields(rest); len(f) > 12 {
			user, _ := strconv.ParseInt(f[11], 10, 64)
			system, _ := strconv.ParseInt(f[12], 10, 64)
			u.CPU = time.Duration(user+system) * 10 * time.Millisecond
		}
	}
	return u
}

// quietCPU measures the share of one CPU that p uses over d while nothing is
// asked of it. Only time can show that something does not spin.
func quietCPU(p *Process, d time.Duration) float64 {
	before := p.Usage().CPU
	time.Sleep(d)
	return float64(p.Usage().CPU-before) / float64(d)
}
