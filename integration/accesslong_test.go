package integration

import (
	"io"
	"testing"

	"sluice/internal/testnet"
)

// A connection is in the log when it begins, while it lives, and when it ends.
func TestAConnectionIsLoggedFromItsBeginning(t *testing.T) {
	peer := testnet.Start(t, "tcp4", testnet.Echo)
	setup := Setup{Backends: []string{testnet.Refusing(t), peer.Address}, Pool: `policy = "first"`}
	p := Sluice(t, setup.TOML())
	before := testnet.Dial(t, p.Front("web"))
	wantAlive(t, "the first", before)
	setup.Log = "access_start = true\naccess_every = \"1s\""
	if taken, lines := p.Reload(setup.TOML()); !taken {
		t.Fatalf("refused: %v", lines)
	}
	c := testnet.Dial(t, p.Front("web"))
	mine := func(msg string) func(Line) bool {
		return func(l Line) bool { return l.Msg == msg && l.Client == c.LocalAddr().String() }
	}
	begun := p.Say(patience, "it begins", mine("connection begun"))
	if begun.Backend != peer.Address || begun.Retries != 1 || begun.ConnectMS == nil || *begun.ConnectMS < 0 || begun.Listener != "web" {
		t.Errorf("begun: %s", begun.Raw)
	}
	wantAlive(t, "the second", c)
	open := p.Say(patience, "it lives", mine("connection open"))
	if open.Backend != peer.Address || open.BytesUp != 100_000 || open.TotalMS == nil || *open.TotalMS < 1000 {
		t.Errorf("open: %s", open.Raw)
	}
	p.Say(patience, "the first lives", func(l Line) bool { return l.Msg == "connection open" && l.Client == before.LocalAddr().String() })
	c.CloseWrite()
	_, err := io.Copy(io.Discard, c)
	testnet.Must(t, "end", err)
	p.Say(patience, "it ends", mine("connection"))
	if n := len(p.All(Says("connection begun"))); n != 1 {
		t.Errorf("%d have begun, want the one after the reload", n)
	}
}
