package admin

import (
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"sluice/config"
	"sluice/control"
)

func TestStatusSaysWhatRuns(t *testing.T) {
	f := &fake{
		about:   About{Version: "1.2", PID: 5, Started: time.Now().Add(-time.Minute), Config: "/etc/s.toml"},
		history: []Handover{{Number: 1, Kind: "crash", Outcome: HandoverDone, Connections: 4, Why: "killed"}},
	}
	_, at := serve(t, f, config.Admin{Bind: anyPort, ReadOnly: true})
	var got Status
	if err := json.Unmarshal([]byte(ask(t, at, "GET", "/v1/status", "").body), &got); err != nil {
		t.Fatal(err)
	}
	if got.Version != "1.2" || got.PID != 5 || !got.Ready || got.UptimeSeconds < 60 || got.Workers != 2 ||
		got.Connections != 3 || got.MaxConnections != 100 || got.Accepted != 9 || !got.ReadOnly {
		t.Errorf("got %+v", got)
	}
	if len(got.Listeners) != 1 || got.Listeners[0].Bound[0] != "127.0.0.1:8080" || len(got.Admin) != 1 || got.Admin[0] != at {
		t.Errorf("got listeners %v, admin %v", got.Listeners, got.Admin)
	}
	if len(got.Handovers) != 1 || got.Handovers[0] != f.history[0] {
		t.Errorf("got handovers %+v", got.Handovers)
	}
}

func TestReadinessSaysWhyNot(t *testing.T) {
	f := &fake{}
	_, at := serve(t, f, config.Admin{Bind: anyPort})
	if got := ask(t, at, "GET", "/readyz", ""); got.status != 200 {
		t.Errorf("%d %s, want 200", got.status, got.body)
	}
	f.about.NotReady = "stopping"
	got := ask(t, at, "GET", "/readyz", "")
	if got.status != 503 || !strings.Contains(got.body, "stopping") {
		t.Errorf("%d %s, want 503 and why", got.status, got.body)
	}
	if got := ask(t, at, "GET", "/livez", ""); got.status != 200 {
		t.Errorf("livez %d, want 200: it lives until it ends", got.status)
	}
}

func TestReloadAnswersWithWhatChanged(t *testing.T) {
	f := &fake{plan: control.Plan{Backends: control.Diff{Added: []string{"web/b3"}}}}
	_, at := serve(t, f, config.Admin{Bind: anyPort})
	got := ask(t, at, "POST", "/v1/reload", "")
	var r Reloaded
	if err := json.Unmarshal([]byte(got.body), &r); err != nil || r.Changes != "backends +web/b3" || r.Plan.Backends.Added[0] != "web/b3" {
		t.Errorf("got %d %s, %v", got.status, got.body, err)
	}
	f.fault = errors.New("a.toml:1:1: x\nb.toml:2:2: y")
	got = ask(t, at, "POST", "/v1/reload", "")
	got.refused(t, 422, "nothing has changed", "sluice check")
	if !strings.Contains(got.body, `"b.toml:2:2: y"`) {
		t.Errorf("got %s, want every fault", got.body)
	}
	f.fault = ErrStopping
	ask(t, at, "POST", "/v1/reload", "").refused(t, 409, "stopping", "takes its place")
}

func TestUpgradeAnswersWithItsNumber(t *testing.T) {
	f := &fake{}
	_, at := serve(t, f, config.Admin{Bind: anyPort, TokenFile: tokenFile(t, goodToken)})
	post := func(body string) asked { return ask(t, at, "POST", "/v1/upgrade", body, bearer) }
	if got := post(""); got.status != 202 || !strings.Contains(got.body, `"number": 7`) || f.binary != "" {
		t.Errorf("%d %s, binary %q", got.status, got.body, f.binary)
	}
	post(`{"binary": "x"}`).refused(t, 400, "not absolute", "slash")
	post(`{"binray": "/x"}`).refused(t, 400, "binray", "openapi")
	post(`{"binary": "/x`).refused(t, 400, "cannot be understood", "openapi")
	post(`{"binary": "`+strings.Repeat("x", mostBody)+`"}`).refused(t, 413, "longer than", "openapi")
	ask(t, at, "POST", "/v1/upgrade", `{}`, bearer, with("Content-Type", "text/plain")).refused(t, 415, "not called JSON", "application/json")
	f.fault = &Unavailable{"no", "do this"}
	post("").refused(t, 501, "no", "do this")
	f.fault = errors.New("it does not start")
	post("").refused(t, 422, "it does not start", "goes on")
	f.fault = ErrStopping
	post("").refused(t, 409, "stopping", "takes its place")
}

func TestWhatIsNotThereIsSaidInJSON(t *testing.T) {
	_, at := serve(t, &fake{}, config.Admin{Bind: anyPort})
	ask(t, at, "GET", "/v1/stats", "").refused(t, 404, "/v1/stats", "/v1/status")
	got := ask(t, at, "DELETE", "/v1/reload", "")
	got.refused(t, 405, "DELETE", "POST")
	if got.header.Get("Allow") != "POST" {
		t.Errorf("Allow %q, want POST", got.header.Get("Allow"))
	}
	if got := ask(t, at, "HEAD", "/readyz", ""); got.status != http.StatusOK || got.body != "" {
		t.Errorf("HEAD: %d %q, want 200 without a body", got.status, got.body)
	}
}

func TestPlanSaysWhatAReloadWouldChange(t *testing.T) {
	f := &fake{}
	_, at := serve(t, f, config.Admin{Bind: anyPort, ReadOnly: true})
	var p Planned
	got := ask(t, at, "GET", "/v1/plan", "")
	if err := json.Unmarshal([]byte(got.body), &p); err != nil || len(p.Differences) != 1 || p.Differences[0].String() != "~ log.level: info -> debug" {
		t.Errorf("got %d %s, %v", got.status, got.body, err)
	}
	f.fault = errors.New("a.toml:1:1: x")
	ask(t, at, "GET", "/v1/plan", "").refused(t, 422, "would be refused", "sluice check")
}
