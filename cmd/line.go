package cmd

import (
	"fmt"
	"os"
	"strings"
	"syscall"
	"time"
)

// What the worker process says to the main process. A word may be followed by a
// space and more.
const (
	saysHello     = "hello"     // PID: it hears signals from now on
	saysReady     = "ready"     // clients can come in
	saysReloading = "reloading" //
	saysReloaded  = "reloaded"  // or it was refused
	saysStopping  = "stopping"  //
	saysStatus    = "status"    // TEXT, for people
	saysAlive     = "alive"     // every event loop turns
)

// What the main process says to the worker process.
const (
	saysSignal = "signal" // NUMBER: it was sent one; then maybe
	again      = "again"  // one that may have been passed on before
	saysAlone  = "alone"  // the keeper is dead
)

// line is one end of the socket between the main process and the worker
// process. It outlives each worker process, with what was said and not heard.
type line struct {
	fd   int
	file *os.File
}

// newLine takes fd over.
func newLine(fd int) (*line, error) {
	if err := syscall.SetNonblock(fd, true); err != nil {
		return nil, fmt.Errorf("the line to the other process: %w", err)
	}
	return &line{fd, os.NewFile(uintptr(fd), "line")}, nil
}

// say never waits for long; who does not hear has other troubles.
func (l *line) say(words ...any) {
	text := strings.TrimSuffix(fmt.Sprintln(words...), "\n")
	_ = l.file.SetWriteDeadline(time.Now().Add(time.Second))
	_, _ = l.file.WriteString(text)
}

// listen passes on what the other end says, and ends when it is gone.
func (l *line) listen() <-chan string {
	heard := make(chan string)
	go func() {
		defer close(heard)
		message := make([]byte, 1024)
		for {
			n, err := l.file.Read(message)
			if err != nil || n == 0 {
				return
			}
			heard <- string(message[:n])
		}
	}()
	return heard
}

func (l *line) close() { _ = l.file.Close() }
