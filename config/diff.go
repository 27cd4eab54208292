package config

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"sync"
)

// Difference is one thing in which two configurations differ. Of what is added
// or removed whole, one side is empty.
type Difference struct {
	Key    string `json:"key"` // pools.web.backends.b2.weight
	Before string `json:"before,omitempty"`
	After  string `json:"after,omitempty"`
}

// String is the difference on a line: "+ pools.web.backends.b2: address ...",
// "~ log.level: info -> debug", "- listeners.old: ...".
func (d Difference) String() string {
	switch {
	case d.Before == "":
		return "+ " + d.Key + ": " + d.After
	case d.After == "":
		return "- " + d.Key + ": " + d.Before
	}
	return "~ " + d.Key + ": " + d.Before + " -> " + d.After
}

// Diff is how after differs from before, by key. Where a backend stands in its
// list is no difference.
func Diff(before, after *Config) []Difference {
	tree := func(c *Config, show bool) map[string]any { return treeOf(reflect.ValueOf(c).Elem(), show) }
	all := diffTables("", tree(before, true), tree(after, true))
	for i := range all {
		if _, last, _ := cutLast(all[i].Key); secrets()[last] {
			all[i].Before, all[i].After = hide(all[i].Before), hide(all[i].After)
		}
	}
	return append(all, diffLists(before, after)...)
}

func diffTables(path string, before, after map[string]any) (all []Difference) {
	keys := make(map[string]bool)
	for k := range before {
		keys[k] = true
	}
	for k := range after {
		keys[k] = true
	}
	for _, k := range slices.Sorted(maps.Keys(keys)) {
		all = append(all, diffValues(join(path, k), before[k], after[k])...)
	}
	return all
}

func diffValues(path string, before, after any) []Difference {
	b, wasTable := asTable(before)
	a, isTable := asTable(after)
	if (wasTable || before == nil) && (isTable || after == nil) && !(before == nil && after == nil) {
		if wasTable && isTable {
			return diffTables(path, b, a)
		}
		return []Difference{{path, brief(before), brief(after)}}
	}
	if reflect.DeepEqual(before, after) {
		return nil
	}
	return []Difference{{path, brief(before), brief(after)}}
}

// secrets are the keys whose values are not to be seen.
var secrets = sync.OnceValue(func() map[string]bool {
	keys := make(map[string]bool)
	var walk func(reflect.Type)
	walk = func(t reflect.Type) {
		for t.Kind() == reflect.Slice {
			t = t.Elem()
		}
		if t.Kind() != reflect.Struct {
			return
		}
		for f := range t.Fields() {
			if f.Tag.Get("toml") == "" {
				continue
			}
			if f.Tag.Get("secret") != "" {
				keys[f.Tag.Get("toml")] = true
			}
			walk(f.Type)
		}
	}
	walk(reflect.TypeFor[Config]())
	return keys
})

func hide(text string) string {
	if text == "" || text == `""` {
		return text
	}
	return hidden
}

// asTable is a table, or a list of named ones as a table by name.
func asTable(v any) (map[string]any, bool) {
	switch is := v.(type) {
	case map[string]any:
		return is, true
	case []any:
		if isNamed(is) {
			return byName(is), true
		}
		return map[string]any{}, len(is) == 0
	}
	return nil, false
}

// essential are the keys that say what a table is about.
var essential = []string{"address", "weight", "bind", "pool", "policy", "backends"}

// brief is a value in few words; "" for none. A value that is empty shows as
// quotes, since it is one.
func brief(v any) string {
	switch is := v.(type) {
	case nil:
		return ""
	case string:
		return fmt.Sprintf("%q", is)
	case []any:
		if len(is) > 0 {
			if _, tables := is[0].(map[string]any); tables {
				return plural(len(is), "entry", "entries")
			}
		}
		words := make([]string, len(is))
		for i, one := range is {
			words[i] = brief(one)
		}
		return "[" + strings.Join(words, ", ") + "]"
	case map[string]any:
		var words []string
		for _, k := range essential {
			if one, ok := is[k]; ok {
				words = append(words, k+" "+brief(one))
			}
		}
		return strings.Join(words, ", ")
	}
	return fmt.Sprint(v)
}

func plural(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}
