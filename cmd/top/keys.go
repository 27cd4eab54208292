package top

import "strings"

// The keys that are more than a letter.
const (
	keyUp       = "up"
	keyDown     = "down"
	keyPageUp   = "page up"
	keyPageDown = "page down"
	keyTab      = "tab"
	keyEscape   = "escape"
	keyStop     = "ctrl-c"
	keySuspend  = "ctrl-z"
)

var keySequences = []struct{ text, key string }{
	{"\x1b[A", keyUp}, {"\x1bOA", keyUp}, {"\x1b[B", keyDown}, {"\x1bOB", keyDown},
	{"\x1b[5~", keyPageUp}, {"\x1b[6~", keyPageDown}, {"\t", keyTab}, {"\x03", keyStop}, {"\x1a", keySuspend},
}

// keysOf takes apart what was read from a terminal. A sequence that is not known
// is nothing; rest is the beginning of one whose end has not come.
func keysOf(text string) (keys []string, rest string) {
	for text != "" {
		n, key := oneKey(text)
		if n == 0 {
			return keys, text
		}
		if key != "" {
			keys = append(keys, key)
		}
		text = text[n:]
	}
	return keys, ""
}

func oneKey(text string) (int, string) {
	for _, s := range keySequences {
		if strings.HasPrefix(text, s.text) {
			return len(s.text), s.key
		}
	}
	switch {
	case text == "\x1b":
		return 0, ""
	case strings.HasPrefix(text, "\x1b[") || strings.HasPrefix(text, "\x1bO"):
		for i := 2; i < len(text); i++ {
			if text[i] >= '@' && text[i] <= '~' { // its final byte (ECMA-48, 5.4)
				return i + 1, ""
			}
		}
		return 0, ""
	case text[0] == '\x1b':
		return 1, keyEscape
	case text[0] > ' ' && text[0] < 0x7f:
		return 1, text[:1]
	}
	return 1, ""
}
