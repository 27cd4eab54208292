package testnet

import (
	"io"
	"testing"
	"time"
)

func TestTerminalShowsWhatIsWritten(t *testing.T) {
	Leaks(t)
	term := NewTerminal(t, 10, 3)
	for _, text := range []string{"gone\x1b[?25l\x1b[?1049h\x1b[2J\x1b[1;1Hab\x1b[1mc", "d…", "\x1b[3;9Hxyz\x1b[2;1H12345\x1b[2;3H\x1b[", "K"} {
		_, err := io.WriteString(term.Inside, text)
		Must(t, "write", err)
	}
	const want = "abcd…\n12\n        xy"
	term.Sees(10*time.Second, want, func(got string) bool { return got == want })
	if term.Mode("25") || !term.Mode("1049") || !term.Mode("7") {
		t.Errorf("modes %v", term.modes)
	}
	before := term.Modes()
	term.Type("k\n")
	var key [2]byte
	if _, err := io.ReadFull(term.Inside, key[:]); err != nil || string(key[:]) != "k\n" {
		t.Errorf("typed %q, %v", key, err)
	}
	if term.Modes() != before {
		t.Error("the modes have changed by themselves")
	}
	term.Resize(5, 1)
	term.Sees(10*time.Second, "nothing", func(got string) bool { return got == "" })
}
