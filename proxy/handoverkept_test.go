package proxy

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"testing"
	"time"

	"sluice/internal/sys"
	"sluice/internal/testnet"
)

// A listener and a backend that the new table does not have keep their connections.
func TestWhoIsGoneKeepsHisConnections(t *testing.T) {
	echo, other := testnet.Start(t, "tcp4", testnet.Echo), testnet.Start(t, "tcp4", testnet.Name("other"))
	p := newPlane(t, nil, echo.Address)
	c := p.dial()
	if _, err := testnet.Exchange(c, 1, 1000); err != nil {
		t.Fatal(err)
	}
	renamed := func(l *Listener, _ *Pool) {
		l.Name, l.Bind = "new", []Address{{TCP: netip.MustParseAddrPort("127.0.0.1:0")}}
	}
	if carried := p.handOver(renamed, []string{other.Address}); carried.Connections != 1 {
		t.Fatalf("%+v", carried)
	}
	testnet.Eventually(t, 30*time.Second, "the old address is closed", func() bool {
		c, err := net.Dial("tcp", p.address.String())
		if err == nil {
			c.Close()
		}
		return err != nil
	})
	for range 2 {
		if _, err := testnet.Exchange(c, 1, 1000); err != nil {
			t.Fatal(err)
		}
		p.handOver(renamed, []string{other.Address})
	}
	c.Close()
	r := p.record()
	for r.Listener == "web" && r.Up == 0 { // of those who looked whether the door is closed
		r = p.record()
	}
	if r.Listener != "web" || r.Backend != echo.Address || r.Cause != Completed {
		t.Errorf("record %+v", r)
	}
	p.address = p.Bound("new")[0].TCP
	if b, err := io.ReadAll(p.dial()); err != nil || string(b) != "other" {
		t.Errorf("%q, %v at the new listener", b, err)
	}
}

// Who waits in the queue of a door, or was accepted and not yet noted, is served.
func TestWhoWaitsIsServedByTheNext(t *testing.T) {
	echo := testnet.Start(t, "tcp4", testnet.Echo)
	p := newPlane(t, nil, echo.Address)
	old := p.Server
	old.Pause()
	waiting, accepted := p.dial(), p.dial()
	door := old.live.Load().doors[1].fd
	var who sys.Sockaddr
	first, e := sys.Accept(door, &who)
	if e != 0 {
		t.Fatal(e)
	}
	stray, e := sys.Socket(2)
	if e != 0 {
		t.Fatal(e)
	}
	carried := p.succeed(old, nil, []string{echo.Address}, first, stray)
	if carried.Accepted != 1 || carried.Connections != 1 {
		t.Errorf("%+v", carried)
	}
	if sys.KindOf(stray) != sys.NotOpen {
		t.Error("a socket of nobody is still open")
	}
	for _, c := range []*net.TCPConn{waiting, accepted} {
		if _, err := testnet.Exchange(c, 1, 1000); err != nil {
			t.Error(err)
		}
	}
	waiting.Close()
	accepted.Close()
	for range 2 {
		if r := p.record(); !r.Client.IsValid() || r.Cause != Completed {
			t.Errorf("record %+v", r)
		}
	}
	if n := p.Stats().Accepted; n != 2 {
		t.Errorf("%d counted as accepted", n)
	}
}

// Blobs are what was saved last, over any number of handovers.
func TestBlobsComeOver(t *testing.T) {
	p := newPlane(t, nil)
	for i := range 5 {
		big := make([]byte, i*100_000)
		testnet.Stream(i).Fill(big, 0)
		if err := errors.Join(p.SaveBlob("health", fmt.Append(nil, "row ", i)), p.SaveBlob("big", big)); err != nil {
			t.Fatal(err)
		}
		if i == 3 {
			p.handOver(nil, nil)
		}
	}
	p.handOver(nil, nil)
	past, err := OpenPast(p.BookFD())
	if err != nil {
		t.Fatal(err)
	}
	defer past.Close()
	if got := string(past.Blob("health")); got != "row 4" {
		t.Errorf("health is %q", got)
	}
	if got := past.Blob("big"); len(got) != 400_000 {
		t.Errorf("big has %d bytes", len(got))
	}
	if past.Blob("none") != nil {
		t.Error("a blob that nobody saved")
	}
}

// Times in the book are on one clock, however many processes have written to it.
func TestTheClockGoesOn(t *testing.T) {
	p := newPlane(t, nil)
	origin := p.book.header().origin
	for i := range 3 {
		before := p.clock()
		p.handOver(nil, nil)
		if now := p.clock(); now < before {
			t.Errorf("handover %d: the clock went from %d ns back to %d", i, before, now)
		}
		if d := time.Duration(p.book.header().origin - origin).Abs(); d > time.Millisecond {
			t.Errorf("handover %d: the book's clock began %v apart from the first one's", i, d)
		}
	}
}
