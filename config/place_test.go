package config

import (
	"maps"
	"math"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/BurntSushi/toml"
)

// positions is every path of a text with the position of its value.
func positions(t *testing.T, text string) map[string][2]int {
	t.Helper()
	var v map[string]any
	if _, err := toml.Decode(text, &v); err != nil {
		t.Fatal(err)
	}
	s := &source{lines: linesOf(text), faults: &Faults{}, env: testEnv}
	all := make(map[string][2]int)
	var walk func(n *node)
	walk = func(n *node) {
		all[n.path] = [2]int{n.valueLine, n.valueColumn}
		for _, c := range n.keys {
			walk(c)
		}
		for _, c := range n.items {
			walk(c)
		}
	}
	places, _ := scan(text)
	walk(s.node(v, places, "", ""))
	return all
}

func TestPositionsAreThoseOfTheText(t *testing.T) {
	tests := []struct {
		name, text string
		want       map[string][2]int
	}{
		{"value", "a = 1", map[string][2]int{"a": {1, 5}}},
		{"header", "\n  [a.b]\nc = 1", map[string][2]int{"a": {2, 4}, "a.b": {2, 6}, "a.b.c": {3, 5}}},
		{"header after its child", "[a.b]\n[a]", map[string][2]int{"a": {2, 2}, "a.b": {1, 4}}},
		{"array of tables", "[[a]]\nb=1\n[[a]]\nb=2\n[a.c]\nd=3", map[string][2]int{
			"a": {1, 3}, "a[0]": {1, 3}, "a[0].b": {2, 3}, "a[1]": {3, 3}, "a[1].b": {4, 3}, "a[1].c": {5, 4}, "a[1].c.d": {6, 3}}},
		{"dotted key", "a.b . \"c d\" = 1", map[string][2]int{"a": {1, 1}, "a.b": {1, 3}, `a.b."c d"`: {1, 15}}},
		{"list over lines", "a = [ # one, [\n 1,\n\n  \"]\", ]", map[string][2]int{"a": {1, 5}, "a[0]": {2, 2}, "a[1]": {4, 3}}},
		{"inline tables", "a = [{b=1,c={d='}'}}, {b = 2}]", map[string][2]int{
			"a[0]": {1, 6}, "a[0].b": {1, 9}, "a[0].c": {1, 13}, "a[0].c.d": {1, 16}, "a[1]": {1, 23}, "a[1].b": {1, 28}}},
		{"long string", "a = \"\"\"\nb = 1\n\\\"\"\"\"\"\"\nc = 2", map[string][2]int{"a": {1, 5}, "c": {4, 5}}},
		{"long literal", "a = '''\n'' \\''''\nc = 2", map[string][2]int{"a": {1, 5}, "c": {3, 5}}},
		{"letters of two bytes", "\"é\" = {b = 'é', c = 1}", map[string][2]int{`"é"`: {1, 7}, `"é".b`: {1, 12}, `"é".c`: {1, 21}}},
		{"date with a space", "a = [1979-05-27 07:32:00, 2]", map[string][2]int{"a[1]": {1, 27}}},
		{"line ends of two letters", "a = 1\r\n[b]\r\nc = 2\r\n", map[string][2]int{"a": {1, 5}, "b": {2, 2}, "b.c": {3, 5}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := positions(t, tt.text)
			for path, want := range tt.want {
				if got[path] != want {
					t.Errorf("%s: got %v, want %v", path, got[path], want)
				}
			}
		})
	}
}

// same compares values as TOML does: a not-a-number is itself, a date is its
// letters.
func same(a, b any) bool {
	switch a := a.(type) {
	case float64:
		b, ok := b.(float64)
		return ok && (a == b || math.IsNaN(a) && math.IsNaN(b))
	case time.Time:
		b, ok := b.(time.Time)
		return ok && a.Equal(b)
	case map[string]any:
		b, ok := b.(map[string]any)
		return ok && maps.EqualFunc(a, b, same)
	case []any:
		b, ok := b.([]any)
		return ok && slices.EqualFunc(a, b, same)
	}
	return reflect.DeepEqual(a, b)
}

// FuzzPositions holds the scanner to the parser: over any text that the parser
// takes, both see the same keys and the same numbers of items, and the letters
// at each place mean, read again, the very value that is said to stand there.
func FuzzPositions(f *testing.F) {
	for _, s := range []string{
		"a.b = [[1, {c = '}'}], \"\"\"x\"\"\"\"\"]\n[[t]]\n[t.u]\n\"\\u00e9\".'k' = 2020-01-01 00:00:00 # c\n[[t]]\r\n",
		"a = {\n b = 1, # c\n}", "x = +inf\ny = [nan, 0x_f]", "\"\" = 1", "a = '''\n'''''\nb.c=1", "[a.b]\n[a]\nc.d=1",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if strings.HasPrefix(text, "\ufeff") || !utf8.ValidString(text) {
			return
		}
		root, deep := scan(text) // whatever the text is, this ends
		if deep >= 0 {
			return
		}
		var v map[string]any
		if _, err := toml.Decode(text, &v); err != nil {
			return
		}
		compare(t, text, "", v, root, true)
	})
}

func compare(t *testing.T, text, path string, value any, p *place, root bool) {
	t.Helper()
	if !root && p.end > 0 {
		var again map[string]any
		raw := text[p.value:p.end]
		if _, err := toml.Decode("v = "+raw, &again); err != nil || !same(again["v"], value) {
			t.Fatalf("%s: got %q (%v) of %q, want %v", path, raw, err, text, value)
		}
	}
	switch v := value.(type) {
	case map[string]any:
		for k, x := range v {
			c := p.keys[k]
			if c == nil {
				t.Fatalf("%s: got no place of %q in %q", path, k, text)
			}
			rest := text[c.key:]
			if !strings.HasPrefix(rest, k) && !strings.HasPrefix(rest, `"`) && !strings.HasPrefix(rest, `'`) {
				t.Fatalf("%s: got %.20q at the place of %q in %q", path, rest, k, text)
			}
			compare(t, text, join(path, k), x, c, false)
		}
		if len(p.keys) != len(v) {
			t.Fatalf("%s: got %d keys, want %d in %q", path, len(p.keys), len(v), text)
		}
	case []any:
		if len(p.items) != len(v) {
			t.Fatalf("%s: got %d items, want %d in %q", path, len(p.items), len(v), text)
		}
		for i, x := range v {
			compare(t, text, path+"[]", x, p.items[i], false)
		}
	case []map[string]any:
		if len(p.items) != len(v) {
			t.Fatalf("%s: got %d items, want %d in %q", path, len(p.items), len(v), text)
		}
		for i, x := range v {
			compare(t, text, path+"[]", x, p.items[i], false)
		}
	}
}
