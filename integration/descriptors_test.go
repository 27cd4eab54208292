package integration

import (
	"testing"
	"time"

	"sluice/internal/testnet"
)

func TestDescriptorExhaustionPausesAndLosesNoClient(t *testing.T) {
	const clients = 100
	peer := testnet.Start(t, "tcp4", testnet.Echo)
	p := Sluice(t, Setup{Backends: []string{peer.Address}}.TOML(), NoFile(64))
	before := p.Sockets()
	conns := queue(t, clients, p.Front("web"))
	testnet.Eventually(t, patience, "some clients are served", func() bool { n, _ := served(conns); return n >= 5 })
	p.Say(patience, "the listener pauses", func(l Line) bool { return l.Level == "warn" && l.Listener == "web" })
	if quiet := quietCPU(p, time.Second); quiet > 0.1 {
		t.Errorf("out of descriptors, sluice uses %.0f%% of a CPU", 100*quiet)
	}
	n, _ := served(conns)
	t.Logf("%d clients at once with 64 descriptors", n)
	if n > 32 {
		t.Fatalf("%d clients are served with 64 descriptors", n)
	}
	for len(conns) > 0 {
		testnet.Eventually(t, patience, "another client is served", func() bool { n, _ := served(conns); return n > 0 })
		n, _ := served(conns)
		conns = release(t, conns, n)
	}
	if got := peer.Accepted(); got != clients {
		t.Errorf("the backend had %d connections, want one for each of %d clients", got, clients)
	}
	testnet.Eventually(t, patience, "every socket is closed", func() bool { return p.Sockets() == before })
	for _, r := range p.All(Connections) {
		if r.Cause != "completed" {
			t.Fatalf("got record %s", r.Raw)
		}
	}
}
