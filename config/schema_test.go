package config

import (
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// fields are the tags of a type and of the types in it, as paths of the grammar.
func fields(t reflect.Type, path string, to map[string]bool) {
	for f := range t.Fields() {
		tag := f.Tag.Get("toml")
		if tag == "" {
			continue
		}
		p := join(path, tag)
		to[p] = true
		of := f.Type
		if of.Kind() == reflect.Slice {
			of = of.Elem()
			if tag == "listeners" || tag == "pools" {
				p += ".NAME"
			}
		}
		if of.Kind() == reflect.Struct {
			fields(of, p, to)
		}
	}
}

func TestEveryLandedKeyHasAField(t *testing.T) {
	have := make(map[string]bool)
	fields(reflect.TypeFor[Config](), "", have)
	only := map[string]bool{"include": true} // has no value of its own: the loader reads it
	later := ""
	grammar.walk("", func(path string, k *key) {
		switch {
		case later != "" && strings.HasPrefix(path, later):
		case k.later:
			if k.off == nil {
				later = path + "."
			}
			if have[path] {
				t.Errorf("%s: has a field, want none for a key that is not in this version", path)
			}
		case !have[path] && !only[path]:
			t.Errorf("%s: has no field", path)
		}
		delete(have, path)
	})
	for path := range have {
		t.Errorf("%s: a field without a key", path)
	}
}

func TestEveryDefaultIsAValueOfItsKind(t *testing.T) {
	grammar.walk("", func(path string, k *key) {
		if _, ok := k.is.(*table); ok || k.off == nil {
			return
		}
		r := &reader{root: grammar}
		k.is.read(r, k.off, reflect.Value{})
		if len(r.faults) > 0 {
			t.Errorf("%s: %v", path, r.faults)
		}
	})
}

// TestReferenceNamesWhatIsNotInThisVersion: of the whole plan nothing is
// refused but what this version has not, and of that nothing is let through.
func TestReferenceNamesWhatIsNotInThisVersion(t *testing.T) {
	_, err := Load("testdata/reference.toml", testEnv)
	faults, _ := err.(Faults)
	var got []string
	for _, f := range faults {
		got = append(got, f.Key)
		if !strings.HasPrefix(f.Message, "not in this version") {
			t.Errorf("got %v, want only what is not in this version", f)
		}
	}
	want := []string{
		"pools.api.discovery",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

// TestReferenceWithoutLaterKeysLoads shows that the rest of it is in order.
func TestReferenceWithoutLaterKeysLoads(t *testing.T) {
	text, err := os.ReadFile("testdata/reference.toml")
	if err != nil {
		t.Fatal(err)
	}
	s := string(text)
	for from, to := range map[string]string{
		"[[listeners.web.routes]]               # first match wins": "#",
		"  sni    = [\"api.example.com\"":                           "#",
		"  alpn   = [":                                              "#",
		"  source = [":                                              "#",
		"  pool   = \"api\"":                                        "#",
		"[pools.api]":                                               "#",
	} {
		if !strings.Contains(s, from) {
			t.Fatalf("the reference has no %q any more", from)
		}
		s = strings.Replace(s, from, to, 1)
	}
	s, _, _ = strings.Cut(s, "  [pools.api.discovery]")
	if _, err := Parse("reference.toml", s, testEnv); err != nil {
		t.Error(err)
	}
}

// TestEveryLaterKeyIsRefused sets each key that is not in this version to
// something else than its default.
func TestEveryLaterKeyIsRefused(t *testing.T) {
	other := func(k *key) string {
		switch v := k.off; {
		case v.list:
			if strings.Contains(k.is.want(), "networks") {
				return `["10.0.0.0/8"]`
			}
			return `["x"]`
		case v.value == true || v.value == false:
			return map[bool]string{true: "false", false: "true"}[v.value == true]
		}
		for _, try := range []string{"1", "0.25", `"7s"`, `"7/s"`, `"v1"`, `"reset"`, `"required"`, `"127.0.0.1:1"`, `"x"`} {
			r := &reader{root: grammar}
			got := k.is.read(r, parseNode(t, try), reflect.Value{})
			if len(r.faults) == 0 && !reflect.DeepEqual(got, k.is.read(r, k.off, reflect.Value{})) {
				return try
			}
		}
		t.Errorf("%s: no other value known to this test", k.name)
		return k.def
	}
	n := 0
	grammar.walk("", func(path string, k *key) {
		if !k.later || k.off == nil {
			return
		}
		n++
		path = strings.ReplaceAll(path, "NAME", "web")
		var text string
		if home, last, _ := cutLast(path); home == "listeners.web" || home == "pools.web" {
			text = strings.Replace(threeLines, "["+home+"]\n", "["+home+"]\n"+last+" = "+other(k)+"\n", 1)
		} else {
			text = threeLines + "[" + home + "]\n" + last + " = " + other(k) + "\n"
		}
		_, err := Parse("t.toml", text, testEnv)
		faults, _ := err.(Faults)
		if len(faults) != 1 || faults[0].Key != path || !strings.HasPrefix(faults[0].Message, "not in this version") {
			t.Errorf("%s: got %v, want it refused by name", path, err)
		}
	})
	if n == 0 {
		t.Error("there is no such key")
	}
}

func parseNode(t *testing.T, value string) *node {
	t.Helper()
	k := &table{keys: []key{{name: "v", is: text("anything"), def: value}}}
	return k.ready().keys[0].off
}
