package top

import (
	"errors"
	"io"
	"os"
	"time"

	"sluice/internal/sys"
)

// terminal is where keys come from and frames go to. What it was like before is
// put back by leave.
type terminal struct {
	in, out *os.File
	before  sys.TerminalModes
	inside  bool
}

func (t *terminal) enter() error {
	if t.inside {
		return nil
	}
	err := control(t.in, func(fd int) (err error) {
		if t.before, err = sys.Terminal(fd); err == nil {
			err = sys.SetTerminal(fd, t.before.KeyByKey())
		}
		return err
	})
	if err != nil {
		return err
	}
	t.inside = true
	_, err = io.WriteString(t.out, enterScreen)
	return err
}

// leave may be called at any time, and twice.
func (t *terminal) leave() {
	if !t.inside {
		return
	}
	t.inside = false
	// Whoever hung up cannot be told.
	_, _ = io.WriteString(t.out, leaveScreen)
	_ = control(t.in, func(fd int) error { return sys.SetTerminal(fd, t.before) })
}

// size is that of the terminal, or the usual one where it does not know.
func (t *terminal) size() (columns, rows int) {
	_ = control(t.out, func(fd int) (err error) {
		columns, rows, err = sys.TerminalSize(fd)
		return err
	})
	if columns <= 0 || rows <= 0 {
		return 80, 24
	}
	return columns, rows
}

// IsTerminal reports whether frames can be shown on f.
func IsTerminal(f *os.File) bool {
	return control(f, func(fd int) error { _, err := sys.Terminal(fd); return err }) == nil
}

// control runs f on a descriptor, which stays as it is: Fd would make it block.
func control(file *os.File, f func(fd int) error) error {
	raw, err := file.SyscallConn()
	if err != nil {
		return err
	}
	var failed error
	if err := raw.Control(func(fd uintptr) { failed = f(int(fd)) }); err != nil {
		return err
	}
	return failed
}

// sequenceWithin is how long the rest of a key's sequence may take; without it
// the key was Escape.
const sequenceWithin = 50 * time.Millisecond

// readKeys calls press for each key, until the terminal is gone or closed.
func readKeys(in *os.File, press func(key string)) error {
	buffer := make([]byte, 256)
	rest := ""
	for {
		var deadline time.Time
		if rest != "" {
			deadline = time.Now().Add(sequenceWithin)
		}
		if err := in.SetReadDeadline(deadline); err != nil {
			return err
		}
		n, err := in.Read(buffer)
		var keys []string
		switch {
		case errors.Is(err, os.ErrDeadlineExceeded):
			keys, rest = []string{keyEscape}, ""
		case err != nil:
			return err
		default:
			keys, rest = keysOf(rest + string(buffer[:n]))
		}
		for _, k := range keys {
			press(k)
		}
	}
}
