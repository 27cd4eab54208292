package sys

import (
	"syscall"

	"golang.org/x/sys/unix"
)

// TerminalModes is how a terminal treats what is typed and written; termios(3).
type TerminalModes struct{ raw unix.Termios }

// Terminal reads the modes of a terminal; ENOTTY: fd is none.
func Terminal(fd int) (m TerminalModes, err error) {
	raw, err := unix.IoctlGetTermios(fd, unix.TCGETS)
	if err != nil {
		return m, err
	}
	return TerminalModes{*raw}, nil
}

// SetTerminal puts modes in force at once.
func SetTerminal(fd int, m TerminalModes) error {
	return unix.IoctlSetTermios(fd, unix.TCSETS, &m.raw)
}

// KeyByKey is m so that every key is read as it is pressed, is not echoed and
// sends no signal. What is written is treated as before.
func (m TerminalModes) KeyByKey() TerminalModes {
	t := &m.raw
	t.Iflag &^= unix.IGNBRK | unix.BRKINT | unix.PARMRK | unix.ISTRIP | unix.INLCR | unix.IGNCR | unix.ICRNL | unix.IXON
	t.Lflag &^= unix.ECHO | unix.ECHONL | unix.ICANON | unix.ISIG | unix.IEXTEN
	t.Cflag = t.Cflag&^(unix.CSIZE|unix.PARENB) | unix.CS8
	t.Cc[unix.VMIN], t.Cc[unix.VTIME] = 1, 0
	return m
}

// TerminalSize is how many columns and rows a terminal has; 0 where it does not
// know.
func TerminalSize(fd int) (columns, rows int, err error) {
	size, err := unix.IoctlGetWinsize(fd, unix.TIOCGWINSZ)
	if err != nil {
		return 0, 0, err
	}
	return int(size.Col), int(size.Row), nil
}

// StopSelf stops the whole process, as a shell expects of Ctrl-Z, until it gets
// a SIGCONT.
func StopSelf() { _ = syscall.Kill(syscall.Getpid(), syscall.SIGSTOP) }
