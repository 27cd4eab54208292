package config

import (
	"encoding/json"
	"reflect"
	"slices"
	"strings"
	"testing"
)

func parse(t *testing.T, text string) *Config {
	t.Helper()
	cfg, err := Parse("t.toml", text, testEnv)
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

func TestDiffSaysWhatAPersonChanged(t *testing.T) {
	const head = "[listeners.web]\nbind = \":8080\"\npool = \"web\"\n"
	for _, tt := range []struct {
		name, before, after string
		want                []string
	}{
		{"nothing", head + "[pools.web]\nbackends = [\"127.0.0.1:1\", \"127.0.0.1:2\"]\n",
			head + "[pools.web]\nbackends = [\"127.0.0.1:2\", { address = \"127.0.0.1:1\", weight = 1 }]\npolicy = \"least_connections\"\n", nil},
		{"values", head + "[pools.web]\nbackends = [\"127.0.0.1:1\"]\n",
			"[log]\nlevel = \"debug\"\n[runtime]\npipe_size = \"64KiB\"\n[admin]\nbind = \"\"\n[pools.web]\nbackends = [{ address = \"127.0.0.1:1\", weight = 3 }]\n[pools.web.health]\ninterval = \"90s\"\n" + strings.Replace(head, `":8080"`, `[":8080", ":8081"]`, 1),
			[]string{
				`~ admin.bind: "127.0.0.1:9901" -> ""`,
				`~ listeners.web.bind: ["[::]:8080"] -> ["[::]:8080", "[::]:8081"]`,
				`~ log.level: "info" -> "debug"`,
				`~ pools.web.backends."127.0.0.1:1".weight: 1 -> 3`,
				`~ pools.web.health.down_interval: "2s" -> "1m30s"`,
				`~ pools.web.health.fast_interval: "2s" -> "1m30s"`,
				`~ pools.web.health.interval: "2s" -> "1m30s"`,
				`~ runtime.pipe_size: "0" -> "64KiB"`,
			}},
		{"secrets", head + "[pools.web]\nbackends = [\"127.0.0.1:1\"]\n[pools.web.health]\ntype = \"send_expect\"\nsend = \"AUTH one\"\nexpect = \"OK\"\n",
			head + "[pools.web]\nbackends = [\"127.0.0.1:1\"]\n[pools.web.health]\ntype = \"send_expect\"\nsend = \"AUTH two\"\nexpect = \"OK\"\n",
			[]string{"~ pools.web.health.send: (hidden) -> (hidden)", "~ pools.web.health.steps: 1 entry -> 1 entry"}},
		{"tables", head + "[pools.web]\nbackends = [\"127.0.0.1:1\", { name = \"b\", address = \"127.0.0.1:2\" }]\n",
			strings.Replace(head, "web", "api", 1) + "[pools.web]\nbackends = [\"127.0.0.1:1\", { name = \"c\", address = \"127.0.0.1:2\" }]\n[pools.more]\nbackends = [\"127.0.0.1:3\"]\n",
			[]string{
				`+ listeners.api: bind ["[::]:8080"], pool "web"`,
				`- listeners.web: bind ["[::]:8080"], pool "web"`,
				`+ pools.more: policy "least_connections", backends 1 entry`,
				`- pools.web.backends.b: address "127.0.0.1:2", weight 1`,
				`+ pools.web.backends.c: address "127.0.0.1:2", weight 1`,
			}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var got []string
			for _, d := range Diff(parse(t, tt.before), parse(t, tt.after)) {
				got = append(got, d.String())
			}
			if !slices.Equal(got, tt.want) {
				t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(tt.want, "\n"))
			}
		})
	}
}

func TestTreeHasEveryKeyAndNoSecret(t *testing.T) {
	cfg := load(t, "testdata/good/everything.toml")
	text, err := json.Marshal(cfg.Tree())
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		`"pipe_size":"256KiB"`, `"shutdown_grace":"0s"`, `"socket":"/run/sluice/admin.sock"`, `"access_sample":0`,
		`"bind":["0.0.0.0:8443","[::]:8443","unix:/run/web.sock","127.0.0.1:0"]`, `"keepalive":{"count":3,"idle":"1m","interval":"10s"}`,
		`"address":"unix:/run/app.sock"`, `"name":"b2"`, `"pools":{"web":{`,
	} {
		if !strings.Contains(string(text), want) {
			t.Errorf("%s lacks %s", text, want)
		}
	}
	type withSecret struct {
		Word string `toml:"word" secret:"true"`
		None string `toml:"none" secret:"true"`
	}
	if got := treeOf(reflect.ValueOf(withSecret{Word: "x"}), false); got["word"] != hidden || got["none"] != "" {
		t.Errorf("got %v, want the secret hidden and the empty one shown as empty", got)
	}
}
