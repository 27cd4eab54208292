package top

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestTexts(t *testing.T) {
	for _, tt := range []struct{ got, want string }{
		{Bytes(0), "0 B"}, {Bytes(1023), "1023 B"}, {Bytes(1024), "1.0 KiB"}, {Bytes(1536), "1.5 KiB"}, {Bytes(1<<20 - 1), "1.0 MiB"}, {Bytes(1 << 63), "8.0 EiB"},
		{speed(1536), "1.5 KiB/s"}, {speed(-1), "0 B/s"},
		{perSecond(0), "0"}, {perSecond(0.5), "0.5"}, {perSecond(9.96), "10.0"}, {perSecond(10.4), "10"},
		{span(0), "0.0s"}, {span(9900 * time.Millisecond), "9.9s"}, {span(59 * time.Second), "59s"}, {span(61 * time.Second), "1m01s"}, {span(3*time.Hour + 4*time.Minute), "3h04m"}, {span(49 * time.Hour), "2d01h"},
		{fit("abc", 5, left), "abc  "}, {fit("abc", 5, right), "  abc"}, {fit("abcdef", 4, left), "abc…"}, {fit("abcdef", 4, right), "abc…"},
		{fit("abcdef", 4, tail), "cdef"}, {fit("äöü", 3, left), "äöü"}, {fit("abc", 0, left), ""}, {fit("abc", 1, left), "…"},
		{clean("a\x1b[2Jb\n\xff\u202e"), "a?[2Jb???"},
		{strings.TrimLeft(trace([]float32{0, 1, 50, 100}, 100), " "), "▁▅█"},
		{trace(nil, 0), strings.Repeat(" ", traceSteps)}, {fmt.Sprint(len([]rune(trace([]float32{1, 2}, 0)))), fmt.Sprint(traceSteps)},
	} {
		if tt.got != tt.want {
			t.Errorf("got %q, want %q", tt.got, tt.want)
		}
	}
}

func TestKeys(t *testing.T) {
	for _, tt := range []struct {
		text string
		keys []string
		rest string
	}{
		{"q", []string{"q"}, ""},
		{"\x1b[A\x1bOB\tdy", []string{keyUp, keyDown, keyTab, "d", "y"}, ""},
		{"\x1b[5~\x1b[6~", []string{keyPageUp, keyPageDown}, ""},
		{"\x03\x1a", []string{keyStop, keySuspend}, ""},
		{"\x1b[1;5Cx", []string{"x"}, ""}, // Ctrl and an arrow: nothing
		{"a\x1b", []string{"a"}, "\x1b"},
		{"\x1b[1;", nil, "\x1b[1;"},
		{"\x1bx", []string{keyEscape, "x"}, ""},
		{" \r\xc3\xa4", nil, ""},
	} {
		keys, rest := keysOf(tt.text)
		if !slices.Equal(keys, tt.keys) || rest != tt.rest {
			t.Errorf("%q: got %q and %q, want %q and %q", tt.text, keys, rest, tt.keys, tt.rest)
		}
	}
}

func TestScreenWritesOnlyWhatHasChanged(t *testing.T) {
	var out strings.Builder
	s := screen{to: &out, colour: true}
	lines := []line{{{"one", plain}}, {{"two", good}}}
	for _, tt := range []struct {
		change func()
		want   string
	}{
		{func() {}, beginFrame + "\x1b[2J\x1b[1;1H\x1b[Kone\x1b[2;1H\x1b[K\x1b[32mtwo\x1b[0m" + endFrame},
		{func() {}, ""},
		{func() { lines[0] = nil }, beginFrame + "\x1b[1;1H\x1b[K" + endFrame},
		{func() { s.colour = false }, beginFrame + "\x1b[2;1H\x1b[Ktwo" + endFrame},
		{s.forget, beginFrame + "\x1b[2J\x1b[2;1H\x1b[Ktwo" + endFrame},
	} {
		out.Reset()
		tt.change()
		if err := s.show(lines); err != nil || out.String() != tt.want {
			t.Errorf("got %q, %v, want %q", out.String(), err, tt.want)
		}
	}
}
