package config

import (
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func writeFile(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// A list is found beside the file that names it, is a source of the
// configuration, and its change is a difference.
func TestListsOfNetworks(t *testing.T) {
	dir := t.TempDir()
	main, list := filepath.Join(dir, "sluice.toml"), filepath.Join(dir, "deny.txt")
	writeFile(t, main, `
[listeners.web]
bind = ":8080"
pool = "web"
allow = ["10.0.0.0/8"]
deny_files = ["deny.txt"]
[pools.web]
backends = ["127.0.0.1:9001"]
`)
	writeFile(t, list, "\ufeff# abusers\r\n\r\n192.0.2.0/24 # a net\r\n2001:db8::1\r\n::ffff:10.0.0.0/104")
	load := func() *Config {
		t.Helper()
		cfg, err := Load(main, testEnv)
		if err != nil {
			t.Fatal(err)
		}
		return cfg
	}
	before := load()
	l := before.Listeners[0]
	want := []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24"), netip.MustParsePrefix("2001:db8::1/128"), netip.MustParsePrefix("::ffff:10.0.0.0/104")}
	if !slices.Equal(l.DenyListed, want) || len(l.Allow) != 1 || l.AllowListed != nil {
		t.Errorf("got deny %v, allow %v and %v", l.DenyListed, l.Allow, l.AllowListed)
	}
	if !slices.Equal(before.Sources, []string{main, list}) {
		t.Errorf("sources %v", before.Sources)
	}
	writeFile(t, list, "192.0.2.0/24\n")
	if d := Diff(before, load()); len(d) != 1 || d[0].String() != "~ listeners.web.deny_files: 3 networks -> 1 network" {
		t.Errorf("differences %v", d)
	}
	if _, err := Parse("text", strings.ReplaceAll(`
[listeners.web]
bind = ":8080"
pool = "web"
deny_files = ["deny.txt"]
[pools.web]
backends = ["127.0.0.1:9001"]
`, "\t", ""), testEnv); err == nil || !strings.Contains(err.Error(), "deny_files[0]: found") {
		t.Errorf("a text that is not a file: %v", err)
	}
}

func TestABadListIsNotToldWithoutEnd(t *testing.T) {
	dir := t.TempDir()
	main := filepath.Join(dir, "sluice.toml")
	writeFile(t, main, "[listeners.web]\nbind = \":8080\"\npool = \"web\"\ndeny_files = [\"deny.txt\"]\n[pools.web]\nbackends = [\"127.0.0.1:9001\"]\n")
	writeFile(t, filepath.Join(dir, "deny.txt"), strings.Repeat("nonsense\n", 1000))
	_, err := Load(main, testEnv)
	faults, _ := err.(Faults)
	if len(faults) != mostListFaults+1 || !strings.Contains(faults[mostListFaults].Message, "980 more lines") {
		t.Errorf("%d faults, the last: %v", len(faults), faults[len(faults)-1])
	}
}
