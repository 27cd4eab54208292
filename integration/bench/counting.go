package main

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
)

// counterProgram is what can count here: perf's tracepoints cost little, strace
// stops the program at every call; "" for neither.
func counterProgram() string {
	if find("perf") != "" && exec.Command(find("perf"), "stat", "-e", "raw_syscalls:sys_enter", "true").Run() == nil {
		return "perf"
	}
	if find("strace") != "" {
		return "strace"
	}
	return ""
}

// callCounter is a program that is attached to processes and counts.
type callCounter struct {
	cmd  *exec.Cmd
	text bytes.Buffer
	read chan struct{}
}

// startCounter returns when all that the processes do is counted.
func startCounter(name string, pids []int) (*callCounter, error) {
	list := make([]string, len(pids))
	for i, pid := range pids {
		list[i] = strconv.Itoa(pid)
	}
	c := &callCounter{read: make(chan struct{})}
	var err error
	if name == "perf" {
		err = c.perf(strings.Join(list, ","))
	} else {
		err = c.strace(list)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w: %s", name, err, strings.TrimSpace(c.text.String()))
	}
	return c, nil
}

// perf counts in the kernel. It is told to begin, and says when it has.
func (c *callCounter) perf(pids string) error {
	events := []string{"raw_syscalls:sys_enter"}
	for _, name := range counted {
		if exists("/sys/kernel/tracing/events/syscalls/sys_enter_" + name) {
			events = append(events, "syscalls:sys_enter_"+name)
		}
	}
	commands, tell, err := os.Pipe()
	if err != nil {
		return err
	}
	defer commands.Close()
	defer tell.Close()
	hear, acks, err := os.Pipe()
	if err != nil {
		return err
	}
	defer hear.Close()
	c.cmd = exec.Command(find("perf"), "stat", "-x", ";", "--delay=-1", "--control", "fd:3,4", "-e", strings.Join(events, ","), "-p", pids)
	c.cmd.ExtraFiles = []*os.File{commands, acks}
	c.cmd.Stderr = &c.text
	close(c.read) // Wait reads it
	err = c.cmd.Start()
	acks.Close()
	if err != nil {
		return err
	}
	io.WriteString(tell, "enable\n")
	if _, err := bufio.NewReader(hear).ReadString('\n'); err != nil {
		c.stop()
		return err
	}
	return nil
}

// strace says of each process when it is attached.
func (c *callCounter) strace(pids []string) error {
	args := []string{"-f", "-c", "-U", "calls,name"}
	for _, pid := range pids {
		args = append(args, "-p", pid)
	}
	c.cmd = exec.Command(find("strace"), args...)
	out, err := c.cmd.StderrPipe()
	if err != nil {
		return err
	}
	if err := c.cmd.Start(); err != nil {
		return err
	}
	attached := make(chan struct{})
	go func() {
		defer close(c.read)
		n := 0
		for lines := bufio.NewScanner(out); lines.Scan(); {
			c.text.WriteString(lines.Text() + "\n")
			if strings.Contains(lines.Text(), " attached") {
				if n++; n == len(pids) {
					close(attached)
				}
			}
		}
	}()
	select {
	case <-attached:
		return nil
	case <-c.read:
		return c.cmd.Wait()
	}
}

// stop ends the counter and returns what it wrote.
func (c *callCounter) stop() string {
	c.cmd.Process.Signal(syscall.SIGINT)
	<-c.read
	c.cmd.Wait()
	return c.text.String()
}
