package integration

import (
	"context"
	"fmt"
	"io"
	"net"
	"strings"
	"sync/atomic"
	"testing"

	"sluice/internal/testnet"
)

// TestAgentSteersWhoGetsConnections: the agent of one of two backends takes it
// out, gives it less, and lets it in again. The other one's does not answer, which
// is no fault. What an agent has said holds when it falls silent, and when another
// worker process takes over.
func TestAgentSteersWhoGetsConnections(t *testing.T) {
	var says atomic.Value
	says.Store("ready up 100%")
	agent := testnet.Start(t, "tcp4", func(_ context.Context, c testnet.Conn) { io.WriteString(c, says.Load().(string)+"\n") })
	a, b := testnet.StartAt(t, "127.0.0.1:0", testnet.Name("a")), testnet.StartAt(t, "127.0.0.2:0", testnet.Name("b"))
	_, port, _ := net.SplitHostPort(agent.Address)
	front := testnet.FreeAddress(t, "tcp4")
	p := Sluice(t, Setup{
		Bind: []string{front}, Backends: []string{a.Address, b.Address}, Pool: `policy = "round_robin"`,
		Health: fmt.Sprintf("type = \"tcp\"\ninterval = \"100ms\"\nagent = \":%s\"", port),
	}.TOML()+adminSocket(t))
	gets := func(least, most int) {
		t.Helper()
		testnet.Eventually(t, patience, fmt.Sprintf("a gets %d to %d of 30 connections", least, most), func() bool {
			n := 0
			for range 30 {
				name, err := ask(t, front)
				testnet.Must(t, "ask", err)
				n += strings.Count(name, "a")
			}
			return least <= n && n <= most
		})
	}
	gets(13, 17)
	p.Say(patience, "b's agent is silent", func(l Line) bool {
		return strings.HasPrefix(l.Msg, "web/"+b.Address+": its agent does not answer, what it said last holds: ")
	})
	for _, step := range []struct {
		says        string
		least, most int
	}{
		{"50%", 8, 12}, {"down # disk is full", 0, 0}, {"up 100%", 13, 17}, {"drain sideways", 0, 0}, {"ready", 13, 17}, {"maint", 0, 0},
	} {
		says.Store(step.says)
		gets(step.least, step.most)
	}
	p.Say(patience, "a word that means nothing", func(l Line) bool {
		return l.Level == "warn" && l.Msg == "web/"+a.Address+`: its agent says "sideways", which means nothing here`
	})
	agent.Stop()
	if code, said := p.Upgrade(""); code != 0 {
		t.Fatalf("sluice upgrade: exit %d: %s", code, said)
	}
	for range 60 {
		if name, err := ask(t, front); name != "b" {
			t.Fatalf("got %q, %v after the agent's end, want b", name, err)
		}
	}
}
