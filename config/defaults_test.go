package config

import (
	"reflect"
	"regexp"
	"strings"
	"testing"
)

func TestDefaultsLoadAsTheyStand(t *testing.T) {
	cfg, err := Parse("defaults.toml", Defaults(), testEnv)
	if err != nil {
		t.Fatal(err)
	}
	plain, err := Parse("plain.toml", threeLines, testEnv)
	if err != nil {
		t.Fatal(err)
	}
	if cfg.Runtime != plain.Runtime || cfg.Log != plain.Log || !reflect.DeepEqual(cfg.Pools[0].Health, plain.Pools[0].Health) {
		t.Errorf("got %+v, want the same as without a word: %+v", cfg, plain)
	}
}

// TestDefaultsHaveEveryKey looks for each key under the header of its table.
func TestDefaultsHaveEveryKey(t *testing.T) {
	sections := make(map[string]string)
	section := ""
	header := regexp.MustCompile(`^(?:# )?\[+([a-z_.]+)\]+`)
	for line := range strings.Lines(Defaults()) {
		if m := header.FindStringSubmatch(line); m != nil {
			section = m[1]
			sections[section] = "\n"
		} else {
			sections[section] += line
		}
	}
	n := 0
	grammar.walk("", func(path string, k *key) {
		n++
		path = strings.ReplaceAll(path, "NAME", "web")
		if _, ok := sections[path]; ok || path == "listeners" || path == "pools" {
			return
		}
		home, last, _ := cutLast(path)
		for _, inline := range []string{".keepalive", ".backends", ".steps"} {
			home = strings.TrimSuffix(home, inline)
		}
		text, ok := sections[home]
		if !ok || !regexp.MustCompile(`(?m)(^|\{ |, |# )`+last+` +=`).MatchString(text) {
			t.Errorf("%s: not in [%s]", path, home)
		}
		if marked := !strings.HasSuffix(path, ".backends."+last) && regexp.MustCompile(`(?m)^`+last+` += .* # not in this version`).MatchString(text); marked != (k.later && k.off != nil) {
			t.Errorf("%s: got marked as not in this version %v, want %v", path, marked, !marked)
		}
	})
	if n < 120 {
		t.Errorf("got %d keys, want at least 120", n)
	}
}
