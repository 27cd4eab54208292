package testnet

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// obey does what the beginning of text says, and returns how much of it that
// was; 0: its end has not come.
func (t *Terminal) obey(text string) (used int, err error) {
	if text[0] != '\x1b' {
		return t.put(text)
	}
	if len(text) < 2 {
		return 0, nil
	}
	if text[1] != '[' {
		return 0, fmt.Errorf("the terminal does not know %q", text[:2])
	}
	end := strings.IndexFunc(text[2:], func(r rune) bool { return r >= '@' && r <= '~' }) // ECMA-48, 5.4
	if end < 0 {
		return 0, nil
	}
	used = 2 + end + 1
	return used, t.control(text[2:used-1], text[used-1])
}

// control obeys a control sequence.
func (t *Terminal) control(arguments string, final byte) error {
	switch final {
	case 'm': // how text looks
	case 'H':
		t.row, t.col = 1, 1
		fmt.Sscanf(arguments, "%d;%d", &t.row, &t.col)
		t.row, t.col = t.row-1, t.col-1
	case 'K':
		if t.row < len(t.rows) {
			copy(t.rows[t.row][min(t.col, len(t.rows[t.row])):], blank(len(t.rows[t.row])))
		}
	case 'J':
		t.wipe()
	case 'h', 'l':
		mode := strings.TrimPrefix(arguments, "?")
		t.modes[mode] = final == 'h'
		if mode == "1049" { // the other screen, or the one of before: both are empty here
			t.wipe()
			t.row, t.col = 0, 0
		}
	default:
		return fmt.Errorf("the terminal does not know CSI %s%c", arguments, final)
	}
	return nil
}

func (t *Terminal) wipe() {
	for i := range t.rows {
		copy(t.rows[i], blank(len(t.rows[i])))
	}
}

// put writes one letter, or goes to another line.
func (t *Terminal) put(text string) (used int, err error) {
	if !utf8.FullRuneInString(text) {
		return 0, nil
	}
	r, used := utf8.DecodeRuneInString(text)
	switch {
	case r == '\r':
		t.col = 0
	case r == '\n':
		t.row++
	case t.row < len(t.rows) && t.col < len(t.rows[t.row]):
		t.rows[t.row][t.col] = r
		t.col++
	} // what is outside is not seen: the program may not know the size yet
	return used, nil
}
