package config

import (
	"reflect"
	"slices"
	"time"
)

// hidden stands in a Tree for what is not to be seen.
const hidden = "(hidden)"

// Tree is a configuration as a file would say it, every default filled in:
// tables by key, listeners and pools by name, durations, sizes and addresses
// in words. A field tagged secret shows only whether it is set.
func (c *Config) Tree() map[string]any {
	return treeOf(reflect.ValueOf(c).Elem(), false)
}

// treeOf is a table of the keys of a struct. show is to show secrets.
func treeOf(v reflect.Value, show bool) map[string]any {
	tree := make(map[string]any)
	if name := v.FieldByName("Name"); name.IsValid() && v.Type() != reflect.TypeFor[Config]() {
		tree["name"] = name.String()
	}
	for i := range v.NumField() {
		f := v.Type().Field(i)
		key := f.Tag.Get("toml")
		if key == "" {
			continue
		}
		if !show && f.Tag.Get("secret") != "" && !v.Field(i).IsZero() {
			tree[key] = hidden
			continue
		}
		tree[key] = leafOf(key, v.Field(i), show)
	}
	return tree
}

func leafOf(key string, v reflect.Value, show bool) any {
	switch is := v.Interface().(type) {
	case time.Duration:
		return Duration(is).String()
	case Address:
		if is == (Address{}) {
			return ""
		}
		return is.String()
	case interface{ String() string }:
		return is.String()
	}
	switch v.Kind() {
	case reflect.Struct:
		return treeOf(v, show)
	case reflect.Slice:
		all := make([]any, v.Len())
		for i := range all {
			all[i] = leafOf(key, v.Index(i), show)
		}
		if key == "listeners" || key == "pools" {
			return byName(all)
		}
		return all
	case reflect.Int:
		if key == "pipe_size" {
			return Size(v.Int()).String()
		}
	}
	return v.Interface()
}

// byName makes tables by name of a list of tables with names.
func byName(all []any) map[string]any {
	named := make(map[string]any, len(all))
	for _, one := range all {
		t := one.(map[string]any)
		named[t["name"].(string)] = t
		delete(t, "name")
	}
	return named
}

// isNamed reports whether all are tables with names.
func isNamed(all []any) bool {
	return len(all) > 0 && !slices.ContainsFunc(all, func(one any) bool {
		t, ok := one.(map[string]any)
		return !ok || t["name"] == nil
	})
}
