package top

import (
	"os"
	"testing"
	"time"

	"sluice/admin"
	"sluice/internal/testnet"
)

func TestMain(m *testing.M) { os.Exit(testnet.Main(m)) }

const patience = 30 * time.Second

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// sample is a balancer of two pools.
func sample() admin.Snapshot {
	since := noon.Add(-3 * time.Minute)
	b := func(pool, name, place, why, status, mode string) admin.Backend {
		return admin.Backend{Pool: pool, Name: name, Address: "10.0.0.1:" + name[1:], Place: place, Why: why, Status: status, Mode: mode, Weight: 1, Since: &since}
	}
	return admin.Snapshot{
		Time: noon,
		Status: admin.Status{
			About: admin.About{Version: "v1", PID: 17, Started: noon.Add(-time.Hour)},
			Ready: true, Workers: 2, MaxConnections: 1000, Handovers: []admin.Handover{{Number: 1}},
		},
		Listeners: []admin.Listener{{Name: "edge", Bound: []string{"127.0.0.1:81"}, Paused: true}, {Name: "web", Bound: []string{"127.0.0.1:80"}, Pool: "web"}},
		Pools: []admin.Pool{
			{Name: "api", Policy: "maglev", Backends: []admin.Backend{b("api", "a1", "serving", "not checked", "up", "ready"), b("api", "a2", "standby", "a backup", "up", "ready")}},
			{Name: "web", Policy: "first", Backends: []admin.Backend{
				b("web", "b1", "serving", "up", "up", "ready"), b("web", "b2", "out", "down: refused", "down", "ready"),
				b("web", "b3", "out", "drain", "up", "drain"), b("web", "b4", "out", "ejected: 5 failures", "up", "ready"), b("web", "b5", "serving", "unknown", "unknown", "ready"),
			}},
		},
		Rates: []admin.Rate{
			{Connections: 12, Opened: 3.5, Up: 100, Down: 2048},
			{Listener: "web", Connections: 12, Opened: 3.5, Up: 100, Down: 2048}, {Pool: "web", Connections: 12, Opened: 3.5, Up: 100, Down: 2048},
			{Pool: "web", Backend: "b1", Connections: 4, Opened: 0.5, Up: 90, Down: 2000}, {Pool: "web", Backend: "b3", Connections: 8, Opened: 3, Up: 10, Down: 48},
		},
		Traces:      []admin.Trace{{Pool: "web", Backend: "b1", Bytes: []float32{0, 1, 50, 100}}},
		Transitions: []admin.Transition{{Time: since, Pool: "web", Backend: "b2", From: "up", To: "down", Reason: "refused\x1b[2J", AfterSeconds: 90}},
	}
}

func sampleState() *state {
	s := &state{}
	s.model.snapshot(sample())
	s.conns = connRows([]admin.Connection{
		{ID: "0-1-1", Client: "198.51.100.7:51000", Listener: "web", Pool: "web", Backend: "b1", Phase: "relaying", AgeSeconds: 61, IdleSeconds: 0.5, BytesUp: 100, BytesDown: 4096},
		{ID: "0-2-1", Client: "198.51.100.8:51000", Listener: "web", Pool: "web", Phase: "connecting", AgeSeconds: 2},
	}, map[string]float64{"0-1-1": 1536})
	s.about = "2 of 2"
	return s
}
