package config

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

const threeLines = `[listeners.web]
bind = ":8080"
pool = "web"
[pools.web]
backends = ["127.0.0.1:9001", "127.0.0.1:9002"]
`

var (
	defaultKeepalive = Keepalive{Idle: time.Minute, Interval: 10 * time.Second, Count: 6}
	defaultHealth    = Health{
		Type: "tcp", Interval: 2 * time.Second, FastInterval: 2 * time.Second, DownInterval: 2 * time.Second,
		Jitter: 0.1, Timeout: time.Second, Rise: 2, Fall: 3,
		Method: "GET", Path: "/", Status: Statuses{{200, 399}}, User: "postgres",
	}
	defaultOutlier = Outlier{
		ConsecutiveFailures: 5, Window: 10 * time.Second, Minimum: 20,
		EjectFor: 10 * time.Second, MaxEjectFor: 5 * time.Minute, MaxEjected: 0.5,
	}
)

func load(t *testing.T, path string) *Config {
	t.Helper()
	cfg, err := Load(path, testEnv)
	if err != nil {
		t.Fatal(err)
	}
	if len(cfg.Sources) == 0 || cfg.Sources[0] != path {
		t.Errorf("sources %v, want the file itself first", cfg.Sources)
	}
	cfg.Sources = nil
	return cfg
}

func TestThreeLinesAreEnough(t *testing.T) {
	want := &Config{
		Runtime: Runtime{ShutdownGrace: 30 * time.Second, SurviveCrash: true},
		Log:     Log{Level: "info", Format: "auto", Output: "stderr", Access: "all", AccessSample: 1},
		Admin:   Admin{Bind: tcp(DefaultAdmin)},
		Listeners: []Listener{{
			Name: "web", Bind: []Address{tcp("[::]:8080")}, Pool: "web", Relay: "splice", Reject: "reset",
			IdleTimeout: time.Hour, HalfCloseTimeout: time.Minute, InspectTimeout: 5 * time.Second, ProxyProtocol: "off", Backlog: 4096, NoDelay: true, Keepalive: defaultKeepalive, SourcePrefix: 64,
		}},
		Pools: []Pool{{
			Name: "web", Policy: "least_connections", HashOn: "source", SendProxy: "off", Retries: 2, ConnectTimeout: 3 * time.Second, QueueTimeout: 5 * time.Second, OnDown: "keep", OnRemoved: "drain",
			Keepalive: defaultKeepalive, Health: defaultHealth, Outlier: defaultOutlier,
			Backends: []Backend{
				{Name: "127.0.0.1:9001", Address: tcp("127.0.0.1:9001"), Weight: 1},
				{Name: "127.0.0.1:9002", Address: tcp("127.0.0.1:9002"), Weight: 1},
			},
		}},
	}
	if got := load(t, "testdata/good/three_lines.toml"); !reflect.DeepEqual(got, want) {
		t.Errorf("got\n%+v\nwant\n%+v", got, want)
	}
	if got, err := Parse("", threeLines, testEnv); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got\n%+v, %v\nwant\n%+v", got, err, want)
	}
}

func TestEveryLandedKeyArrives(t *testing.T) {
	want := &Config{
		Runtime: Runtime{Workers: 4, ShutdownDelay: 5 * time.Second, MaxConnections: 20000, PipeSize: 256 << 10, Watch: true, SurviveCrash: true, StateDir: "/var/lib/sluice"},
		Log:     Log{Level: "debug", Format: "json", Output: "/var/log/sluice/access.log", Access: "errors", AccessStart: true, AccessEvery: 90 * time.Second},
		Admin: Admin{
			Bind: tcp("[::]:9901"), Socket: "/run/sluice/admin.sock", TokenFile: "/etc/sluice/token", ReadOnly: true, Pprof: true, Asked: true,
		},
		Listeners: []Listener{{
			Name: "tls",
			Bind: []Address{tcp("0.0.0.0:8443"), tcp("[::]:8443"), {Unix: "/run/web.sock"}, tcp("127.0.0.1:0")},
			Pool: "web", Relay: "copy", Reject: "close", MaxConnections: 100, Backlog: 1, UserTimeout: 90 * time.Second,
			Transparent: true, FreeBind: true, Mark: 1<<32 - 1, Interface: "eth0",
			InspectTimeout: 250 * time.Millisecond, ProxyProtocol: "optional",
			ProxyProtocolFrom: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("2001:db8::1/128")},
			Routes: []Route{
				{SNI: []string{"api.example.com", "*.example.com", "*"}, ALPN: []string{"h2"}, Source: []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}, Pool: "web"},
				{ALPN: []string{"acme-tls/1"}, Pool: "web"},
			},
			MaxLifetime: 24 * time.Hour, DeferAccept: true, FastOpen: true,
			MaxPerSource: 10, ConnectionRate: Rate{5000, time.Second}, RatePerSource: Rate{600, time.Minute}, SourcePrefix: 56,
			Allow:      []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("2001:db8::1/128")},
			Deny:       []netip.Prefix{netip.MustParsePrefix("10.1.0.0/16")},
			AllowFiles: []string{"lists/allow.txt"}, DenyFiles: []string{"lists/deny.txt"},
			FallbackFile: "lists/sorry.txt", Fallback: "testdata/good/lists/sorry.txt",
			AllowListed: []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}, DenyListed: []netip.Prefix{netip.MustParsePrefix("192.0.2.7/32")},
		}},
		Pools: []Pool{{
			Name: "web", Policy: "maglev", HashOn: "listener", SendProxy: "v2", Source: "client", Retries: 7, ConnectTimeout: 250 * time.Millisecond, MaxConnections: 500, Queue: 100, QueueTimeout: 9 * time.Second, PanicThreshold: 50, SlowStart: 90 * time.Second, OnDown: "reset", OnRemoved: "reset",
			Keepalive:   Keepalive{Idle: time.Minute, Interval: 10 * time.Second, Count: 3},
			UserTimeout: 10 * time.Second,
			Backends: []Backend{
				{Name: "localhost:9001", Address: tcp("127.0.0.1:9001"), Weight: 1},
				{Name: "b2", Address: tcp("[::1]:9002"), Weight: 65535, MaxConnections: 7, Backup: true},
				{Name: "${app}", Address: Address{Unix: "/run/app.sock"}, Weight: 1},
			},
			Health: Health{
				Type: "none", Interval: 5 * time.Second, FastInterval: time.Second, DownInterval: 10 * time.Second,
				Timeout: 2 * time.Second, Rise: 1, Fall: 1000,
				Method: "GET", Path: "/", Status: Statuses{{200, 399}}, User: "postgres",
			},
			Outlier: Outlier{
				FailureRate: 0.25, Window: time.Minute, Minimum: 7,
				EjectFor: 10 * time.Minute, MaxEjectFor: 10 * time.Minute, MaxEjected: 1,
			},
		}},
	}
	got := load(t, "testdata/good/everything.toml")
	if got.Listeners[0].FallbackStamp == "" {
		t.Error("the fallback file has no stamp")
	}
	got.Listeners[0].FallbackStamp = ""
	if len(got.Listeners) != 2 || !got.Listeners[1].Multipath || got.Listeners[0].Multipath {
		t.Error("multipath did not arrive where it was asked for")
	}
	got.Listeners = got.Listeners[:1]
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got\n%+v\nwant\n%+v", got, want)
	}
}

func TestOffValuesOfLaterKeysAreAccepted(t *testing.T) {
	cfg := load(t, "testdata/good/off_values.toml")
	// A timeout that nobody asked for never exceeds the interval.
	if got, want := cfg.Pools[1].Health.Timeout, 500*time.Millisecond; got != want {
		t.Errorf("got timeout %v, want %v", got, want)
	}
}

func TestIncludesAreMerged(t *testing.T) {
	cfg := load(t, "testdata/good/included/main.toml")
	var names []string
	for _, l := range cfg.Listeners {
		names = append(names, l.Name+">"+l.Pool)
	}
	for _, p := range cfg.Pools {
		names = append(names, p.Name)
	}
	if want := []string{"api>a", "web>b", "a", "b"}; !slices.Equal(names, want) {
		t.Errorf("got %v, want %v", names, want)
	}
	if cfg.Log.Level != "warn" {
		t.Errorf("got level %s, want warn", cfg.Log.Level)
	}
}

func TestLoadReadsNothingButTheFileAndItsIncludes(t *testing.T) {
	var read []string
	l := &loader{env: testEnv, read: func(path string) (string, error) {
		read = append(read, path)
		return readFile(path)
	}, list: func(dir string) ([]string, error) {
		read = append(read, dir+"/")
		return listFolder(dir)
	}}
	text, err := l.read("testdata/good/included/main.toml")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := l.load("testdata/good/included/main.toml", text); err != nil {
		t.Fatal(err)
	}
	const at = "testdata/good/included/"
	want := []string{at + "main.toml", at + "conf.d/", at + "conf.d/", at + "conf.d/a.toml", at + "conf.d/b.toml"}
	if !slices.Equal(read, want) {
		t.Errorf("got %v, want %v", read, want)
	}
}

func TestDirectoryOfTheFileIsNoPattern(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a[b]*")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "main.toml"), "include = [\"p*.toml\"]\n[listeners.web]\nbind = \":1\"\npool = \"web\"\n")
	write(t, filepath.Join(dir, "pools.toml"), "[pools.web]\nbackends = [\"127.0.0.1:2\"]\n")
	load(t, filepath.Join(dir, "main.toml"))
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func TestFileThatCannotBeReadIsAFault(t *testing.T) {
	large := filepath.Join(t.TempDir(), "large.toml")
	write(t, large, strings.Repeat("\n", most+1))
	for path, want := range map[string]string{
		"testdata/none.toml": "testdata/none.toml: no such file or directory",
		"testdata":           "testdata: is a directory",
		"/dev/zero":          "/dev/zero: not a regular file",
		large:                large + ": more than 4MiB, expected a configuration",
	} {
		_, err := Load(path, testEnv)
		var faults Faults
		if !errors.As(err, &faults) || faults.Error() != want {
			t.Errorf("%s: got %v, want %s", path, err, want)
		}
	}
}

func TestByteOrderMarkMovesNoColumn(t *testing.T) {
	_, err := Parse("t.toml", "\ufeffruntime = 4\n"+threeLines, testEnv)
	if err == nil || !strings.HasPrefix(err.Error(), "t.toml:1:11: runtime: ") {
		t.Errorf("got %v, want a fault at 1:11", err)
	}
}

func TestDeepNestingIsAFault(t *testing.T) {
	for name, text := range map[string]string{
		"lists":     "a = " + strings.Repeat("[", most-8),
		"shut":      "a = " + strings.Repeat("[", most/2-8) + strings.Repeat("]", most/2-8),
		"tables":    "a = " + strings.Repeat("{a=", most/4-8),
		"key":       strings.Repeat("a.", most/2-8) + "a = 1",
		"header":    "[" + strings.Repeat("a.", most/2-8) + "a]",
		"one level": "a = " + strings.Repeat("[", deepest+1) + strings.Repeat("]", deepest+1),
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Parse("t.toml", text, testEnv)
			if err == nil || !strings.HasSuffix(err.Error(), ": found more than 64 levels of nesting, expected a configuration") {
				t.Errorf("got %.200v, want too many levels of nesting", err)
			}
		})
	}
	_, err := Parse("t.toml", "a = "+strings.Repeat("[", deepest)+strings.Repeat("]", deepest), testEnv)
	if err == nil || !strings.Contains(err.Error(), "a: unknown key") {
		t.Errorf("got %v, want the key named", err)
	}
}

// TestLargeFileLoads: time must not grow by the square of the backends.
func TestLargeFileLoads(t *testing.T) {
	var b strings.Builder
	b.WriteString("[listeners.web]\nbind = \":1\"\npool = \"web\"\n[pools.web]\nbackends = [\n")
	for i := range 10000 {
		fmt.Fprintf(&b, "  { address = \"10.%d.%d.%d:9001\", weight = 2 },\n", i>>16, i>>8&255, i&255)
	}
	b.WriteString("]\n")
	cfg, err := Parse("t.toml", b.String(), testEnv)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := len(cfg.Pools[0].Backends), 10000; got != want {
		t.Errorf("got %d backends, want %d", got, want)
	}
}
