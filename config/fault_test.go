package config

import "testing"

func TestFaultPrintsOnOneLine(t *testing.T) {
	for want, f := range map[string]Fault{
		"a.toml:3:7: pools.web.retries: found 9": {"a.toml", 3, 7, "pools.web.retries", "found 9"},
		"a.toml: no such file or directory":      {"a.toml", 0, 0, "", "no such file or directory"},
		"a.toml:1:1: no listener":                {"a.toml", 1, 1, "", "no listener"},
		"1:2: k: m":                              {"", 1, 2, "k", "m"},
	} {
		if got := f.String(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func TestFaultsAreInOrderOfReading(t *testing.T) {
	fs := Faults{
		{"a", 2, 1, "", "5"}, {"z", 2, 9, "", "3"}, {"z", 10, 1, "", "4"}, {"z", 2, 3, "", "1"}, {"z", 2, 3, "", "2"},
	}
	fs.order([]string{"z", "a"})
	for i, f := range fs {
		if got, want := f.Message, string(rune('1'+i)); got != want {
			t.Errorf("place %d: got %s, want %s", i, got, want)
		}
	}
}

func TestNearFindsTheSlip(t *testing.T) {
	known := []string{"bind", "pool", "max_connections", "max_connections_per_source", "idle_timeout", "warn", "web", "w2"}
	for word, want := range map[string]string{
		"bnid":               "bind",
		"pools":              "pool",
		"POOL":               "pool",
		"max-connections":    "max_connections",
		"max_conections":     "max_connections",
		"maxconnections":     "max_connections",
		"warning":            "warn",
		"idle":               "idle_timeout",
		"wbe":                "web",
		"w":                  "",
		"wb2":                "w2",
		"colour":             "",
		"x":                  "",
		"":                   "",
		"binding_of_address": "bind",
	} {
		if got := near(word, known); got != want {
			t.Errorf("%q: got %q, want %q", word, got, want)
		}
	}
}

func TestDistanceCountsSwapsOnce(t *testing.T) {
	for _, tt := range []struct {
		a, b string
		want int
	}{{"", "", 0}, {"a", "", 1}, {"", "abc", 3}, {"web", "wbe", 1}, {"kitten", "sitting", 3}, {"abcd", "badc", 2}} {
		if got := distance(tt.a, tt.b); got != tt.want {
			t.Errorf("%q, %q: got %d, want %d", tt.a, tt.b, got, tt.want)
		}
	}
}
