package testnet

import (
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
	"unsafe"
)

// Terminal is a pseudoterminal (pty(7)) and what a user sees on it. It
// understands what sluice writes and no more; what it does not understand fails
// the test.
type Terminal struct {
	tb     testing.TB
	master *os.File
	Inside *os.File // where a program runs

	mu       sync.Mutex
	rows     [][]rune
	row, col int
	rest     string          // a sequence whose end has not come
	modes    map[string]bool // private ones: "25" is the cursor
}

// NewTerminal opens a terminal of a size. It is gone when the test ends.
func NewTerminal(tb testing.TB, columns, rows int) *Terminal {
	tb.Helper()
	t := &Terminal{tb: tb, modes: map[string]bool{"7": true, "25": true}}
	var err error
	t.master, err = os.OpenFile("/dev/ptmx", os.O_RDWR|syscall.O_NOCTTY, 0)
	Must(tb, "open a terminal", err)
	var unlocked, number uint32
	t.ioctl(syscall.TIOCSPTLCK, unsafe.Pointer(&unlocked))
	t.ioctl(syscall.TIOCGPTN, unsafe.Pointer(&number))
	t.Resize(columns, rows)
	t.Inside, err = os.OpenFile("/dev/pts/"+strconv.Itoa(int(number)), os.O_RDWR|syscall.O_NOCTTY, 0)
	Must(tb, "open a terminal", err)
	var running sync.WaitGroup
	running.Go(t.follow)
	tb.Cleanup(func() {
		t.Inside.Close()
		t.master.Close()
		running.Wait()
	})
	return t
}

func (t *Terminal) ioctl(request uintptr, argument unsafe.Pointer) {
	t.tb.Helper()
	raw, err := t.master.SyscallConn()
	Must(t.tb, "terminal", err)
	var e syscall.Errno
	Must(t.tb, "terminal", raw.Control(func(fd uintptr) {
		_, _, e = syscall.Syscall(syscall.SYS_IOCTL, fd, request, uintptr(argument))
	}))
	if e != 0 {
		t.tb.Fatalf("ioctl %#x of a terminal: %v", request, e)
	}
}

// Resize gives it another size; who runs in it gets a SIGWINCH.
func (t *Terminal) Resize(columns, rows int) {
	t.tb.Helper()
	t.mu.Lock()
	t.rows = make([][]rune, rows)
	for i := range t.rows {
		t.rows[i] = blank(columns)
	}
	t.mu.Unlock()
	size := [4]uint16{uint16(rows), uint16(columns)}
	t.ioctl(syscall.TIOCSWINSZ, unsafe.Pointer(&size))
}

func blank(columns int) []rune { return []rune(strings.Repeat(" ", columns)) }

// Modes is how it treats keys and text; termios(3). It can be compared.
func (t *Terminal) Modes() (m syscall.Termios) {
	t.tb.Helper()
	t.ioctl(syscall.TCGETS, unsafe.Pointer(&m))
	return m
}

// Run makes a command that has the terminal as its own.
func (t *Terminal) Run(c *exec.Cmd) {
	c.Stdin, c.Stdout, c.Stderr = t.Inside, t.Inside, t.Inside
	if c.SysProcAttr == nil {
		c.SysProcAttr = &syscall.SysProcAttr{}
	}
	c.SysProcAttr.Setsid, c.SysProcAttr.Setctty = true, true
}

// Type presses keys.
func (t *Terminal) Type(keys string) {
	t.tb.Helper()
	_, err := t.master.WriteString(keys)
	Must(t.tb, "type", err)
}

// Screen is what is to be seen.
func (t *Terminal) Screen() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	lines := make([]string, len(t.rows))
	for i, r := range t.rows {
		lines[i] = strings.TrimRight(string(r), " ")
	}
	return strings.Join(lines, "\n")
}

// Mode reports whether a private mode is set; 25 is the cursor, 1049 the other
// screen.
func (t *Terminal) Mode(name string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.modes[name]
}

// Sees waits for what must be seen.
func (t *Terminal) Sees(patience time.Duration, what string, is func(screen string) bool) {
	t.tb.Helper()
	if !Until(patience, func() bool { return is(t.Screen()) }) {
		t.tb.Fatalf("not to be seen within %v: %s; the screen:\n%s", patience, what, t.Screen())
	}
}

// follow reads what is written until the terminal is closed.
func (t *Terminal) follow() {
	buffer := make([]byte, 64<<10)
	for {
		n, err := t.master.Read(buffer)
		if err != nil {
			return
		}
		t.mu.Lock()
		text := t.rest + string(buffer[:n])
		for text != "" {
			used, err := t.obey(text)
			if err != nil {
				t.tb.Error(err)
				used = 1
			}
			if used == 0 {
				break
			}
			text = text[used:]
		}
		t.rest = text
		t.mu.Unlock()
	}
}
