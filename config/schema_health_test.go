package config

import (
	"reflect"
	"testing"
	"time"
)

const healthHead = `
[listeners.web]
bind = ":8080"
pool = "web"
[pools.web]
backends = ["127.0.0.1:9001"]
[pools.web.health]
`

func healthOf(t *testing.T, lines string) Health {
	t.Helper()
	cfg, err := Parse("t.toml", healthHead+lines, testEnv)
	if err != nil {
		t.Fatal(err)
	}
	return cfg.Pools[0].Health
}

func TestEveryKeyOfAHealthTypeArrives(t *testing.T) {
	for _, tt := range []struct {
		name, lines string
		want        func(*Health)
	}{
		{"http", `
type = "http"
method = "HEAD"
path = "/ready?full"
host = "app.example.com"
status = "200, 204"
body = "^ok"
`, func(h *Health) {
			h.Method, h.Path, h.Host, h.Body = "HEAD", "/ready?full", "app.example.com", "^ok"
			h.Status = Statuses{{200, 200}, {204, 204}}
			h.Question = `method="HEAD" path="/ready?full" host="app.example.com" status="200,204" body="^ok"`
		}},
		{"tls", `
type = "tls"
sni = "app.example.com"
verify = true
ca_file = "/etc/sluice/ca.pem"
expires_within = "720h"
`, func(h *Health) {
			h.SNI, h.Verify, h.CAFile, h.ExpiresWithin = "app.example.com", true, "/etc/sluice/ca.pem", 720*time.Hour
			h.Question = `sni="app.example.com" verify=true ca_file="/etc/sluice/ca.pem" expires_within="720h"`
		}},
		{"send_expect", `
type = "send_expect"
tls = true
send_hex = "50 49 4E 47"
expect_match = "^PONG"
`, func(h *Health) {
			h.TLS, h.SendHex, h.ExpectMatch = true, "50494e47", "^PONG"
			h.Steps = []Step{{SendHex: "50494e47", ExpectMatch: "^PONG"}}
			h.Question = `tls=true send_hex="50494e47" expect_match="^PONG" steps=[{"expect":"","expect_hex":"","expect_match":"^PONG","send":"","send_hex":"50494e47"}]`
		}},
		{"send_expect", `
type = "send_expect"
steps = [{ expect = "220 " }, { send = "QUIT\r\n", expect_hex = "323231" }]
`, func(h *Health) {
			h.Steps = []Step{{Expect: "220 "}, {Send: "QUIT\r\n", ExpectHex: "323231"}}
			h.Question = `steps=[{"expect":"220 ","expect_hex":"","expect_match":"","send":"","send_hex":""},{"expect":"","expect_hex":"323231","expect_match":"","send":"QUIT\r\n","send_hex":""}]`
		}},
		{"grpc", `
type = "grpc"
service = "app.v1.App"
host = "app.example.com"
`, func(h *Health) {
			h.Service, h.Host = "app.v1.App", "app.example.com"
			h.Question = `host="app.example.com" service="app.v1.App"`
		}},
		{"tcp", `
type = "tcp"
address = ":8081"
send_proxy = true
`, func(h *Health) {
			h.Address, h.SendProxy = tcp("[::]:8081"), true
			h.Question = `address="[::]:8081" send_proxy=true`
		}},
		{"exec", `
type = "exec"
command = ["/usr/bin/check", "two words"]
`, func(h *Health) {
			h.Command = []string{"/usr/bin/check", "two words"}
			h.Question = `command=["/usr/bin/check","two words"]`
		}},
		{"postgres", `
type = "postgres"
user = "probe"
database = "app"
`, func(h *Health) {
			h.User, h.Database = "probe", "app"
			h.Question = `user="probe" database="app"`
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			want := defaultHealth
			want.Type = tt.name
			tt.want(&want)
			if got := healthOf(t, tt.lines); !reflect.DeepEqual(got, want) {
				t.Errorf("got\n%+v\nwant\n%+v", got, want)
			}
		})
	}
}

// A verdict holds for as long as the question is the same.
func TestQuestionIsWhatIsAskedAndNotWhen(t *testing.T) {
	plain := healthOf(t, `type = "https"`)
	for lines, same := range map[string]bool{
		"interval = \"7s\"\ntimeout = \"3s\"\nrise = 9\nfall = 9\njitter = 0.5\n": true,
		"method = \"GET\"\npath = \"/\"\n":                                        true,
		"path = \"/other\"\n":                                                     false,
		"status = \"200\"\n":                                                      false,
		"verify = true\n":                                                         false,
	} {
		if got := healthOf(t, "type = \"https\"\n"+lines).Question; (got == plain.Question) != same {
			t.Errorf("%q: question %s, and %s without; the same: want %v", lines, got, plain.Question, same)
		}
	}
	if q := healthOf(t, "").Question; q != "" {
		t.Errorf("tcp asks %q, want nothing beside its type", q)
	}
}

func TestWhomAHealthCheckAsks(t *testing.T) {
	for own, want := range map[string]string{
		"":                    "127.0.0.1:9001",
		":8081":               "127.0.0.1:8081",
		"10.0.0.9:1":          "10.0.0.9:1",
		"localhost:2":         "127.0.0.1:2",
		"[::1]:3":             "[::1]:3",
		"unix:/run/health.sk": "unix:/run/health.sk",
	} {
		h := healthOf(t, "address = \""+own+"\"\n")
		if got := h.Asked(tcp("127.0.0.1:9001")).String(); got != want {
			t.Errorf("%q: asks %s, want %s", own, got, want)
		}
	}
	h := healthOf(t, `address = ":8081"`)
	if got, want := h.Asked(tcp("[fe80::1%eth0]:1")), tcp("[fe80::1%eth0]:8081"); got != want {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestWhoseAgentIsAsked(t *testing.T) {
	for agent, want := range map[string]Address{
		"":                   {},
		":9999":              tcp("127.0.0.1:9999"),
		"10.0.0.9:1":         tcp("10.0.0.9:1"),
		"unix:/run/agent.sk": {Unix: "/run/agent.sk"},
	} {
		for _, kind := range []string{"tcp", "none"} {
			h := healthOf(t, "type = \""+kind+"\"\nagent = \""+agent+"\"\n")
			if got := h.AgentOf(tcp("127.0.0.1:9001")); got != want {
				t.Errorf("%s, %q: asks %v, want %v", kind, agent, got, want)
			}
			if h.Question != "" {
				t.Errorf("%s, %q: a probe asks %q, want that an agent is no part of that", kind, agent, h.Question)
			}
		}
	}
}
