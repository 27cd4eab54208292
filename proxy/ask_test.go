package proxy

import (
	"cmp"
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"slices"
	"syscall"
	"testing"
	"time"

	"sluice/internal/testnet"
)

// relayed is n connections over which a byte has come back.
func relayed(p *plane, n int) (conns []*net.TCPConn) {
	p.t.Helper()
	for range n {
		c := p.dial()
		c.Write([]byte("x"))
		_, err := io.ReadFull(c, make([]byte, 1))
		testnet.Must(p.t, "echo", err)
		conns = append(conns, c)
	}
	return conns
}

func addressOf(c net.Conn) netip.AddrPort { return netip.MustParseAddrPort(c.LocalAddr().String()) }

// wantReset checks that a connection was reset.
func wantReset(t *testing.T, what string, c net.Conn) {
	t.Helper()
	if _, err := c.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("%s: client sees %v, want a reset", what, err)
	}
}

// wantAlive checks that one still echoes.
func wantAlive(t *testing.T, what string, c net.Conn) {
	t.Helper()
	c.Write([]byte("y"))
	if _, err := io.ReadFull(c, make([]byte, 1)); err != nil {
		t.Errorf("%s: %v, want it alive", what, err)
	}
}

func TestConnsAreThoseThatLive(t *testing.T) {
	echo := testnet.Start(t, "tcp4", testnet.Echo)
	p := newPlane(t, nil, echo.Address)
	if got := p.Conns(); len(got) != 0 {
		t.Errorf("%d connections at the start", len(got))
	}
	// More than a worker looks at in one turn.
	conns := relayed(p, 2*lookAtOnce+100)
	wantAlive(t, "the first", conns[0])
	if got := p.Listening()["web"]; got.Active != int64(len(conns)) || got.Paused {
		t.Errorf("listener %+v, want %d connections", got, len(conns))
	}
	all := p.Conns()
	if len(all) != len(conns) {
		t.Fatalf("%d connections, want %d", len(all), len(conns))
	}
	seen := make(map[netip.AddrPort]Conn)
	ids := make(map[ConnID]bool)
	for _, c := range all {
		seen[c.Client] = c
		ids[c.ID] = true
		if again, err := ParseConnID(c.ID.String()); err != nil || again != c.ID {
			t.Fatalf("%v is read as %v, %v", c.ID, again, err)
		}
	}
	if len(ids) != len(conns) {
		t.Errorf("%d IDs of %d connections", len(ids), len(conns))
	}
	for i, c := range conns {
		got, want := seen[addressOf(c)], uint64(1)
		if i == 0 {
			want = 2
		}
		if got.Up != want || got.Down != want || got.Phase != "relaying" || got.Listener.Name != "web" ||
			got.Backend == nil || got.Backend.Name != echo.Address || got.Age < got.Idle || got.Age <= 0 {
			t.Fatalf("connection %d is shown as %+v", i, got)
		}
	}
	for _, c := range conns {
		c.Close()
	}
	testnet.Eventually(t, 30*time.Second, "none left", func() bool { return len(p.Conns()) == 0 })
}

func TestConnectingConnShowsNoBytes(t *testing.T) {
	silent, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	testnet.Must(t, "socket", err)
	defer syscall.Close(silent)
	testnet.Must(t, "bind", syscall.Bind(silent, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}))
	testnet.Must(t, "listen", syscall.Listen(silent, 0))
	name, err := syscall.Getsockname(silent)
	testnet.Must(t, "name", err)
	full := netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), uint16(name.(*syscall.SockaddrInet4).Port))
	p := newPlane(t, nil, full.String())
	// The queue of a backend that accepts nobody holds one or two.
	for range 4 {
		p.dial()
	}
	var all []Conn
	testnet.Eventually(t, 30*time.Second, "one that connects", func() bool {
		all = p.Conns()
		return slices.ContainsFunc(all, func(c Conn) bool { return c.Phase == "connecting" && c.Backend != nil && c.Up == 0 })
	})
	for _, c := range all {
		if c.Phase == "connecting" && !p.Kill(c.ID, Killed) {
			t.Errorf("%v could not be killed", c.ID)
		}
	}
}

func TestKillResetsOneConnection(t *testing.T) {
	echo := testnet.Start(t, "tcp4", testnet.Echo)
	p := newPlane(t, nil, echo.Address)
	conns := relayed(p, 3)
	var id ConnID
	for _, c := range p.Conns() {
		if c.Client == addressOf(conns[1]) {
			id = c.ID
		}
	}
	if !p.Kill(id, Killed) {
		t.Fatalf("%v is not there", id)
	}
	wantReset(t, "the one that was killed", conns[1])
	if r := p.record(); r.Cause != Killed || r.Client != addressOf(conns[1]) {
		t.Errorf("record %+v", r)
	}
	wantAlive(t, "another", conns[0])
	next := relayed(p, 3) // one of them gets the slot
	for _, gone := range []ConnID{id, {}, {Worker: 9, Slot: 1, Generation: 1}, {Slot: 1 << 31, Generation: 1}} {
		if p.Kill(gone, Killed) {
			t.Errorf("%v was there", gone)
		}
	}
	for _, c := range append(next, conns[0], conns[2]) {
		wantAlive(t, "after a late kill", c)
	}
}

func TestResetIsForOneBackend(t *testing.T) {
	a, b := testnet.Start(t, "tcp4", testnet.Echo), testnet.Start(t, "tcp4", testnet.Echo)
	p := newPlane(t, nil, a.Address, b.Address)
	conns := relayed(p, 10)
	place := p.Table().Pools[0].Backends[1]
	to := make(map[netip.AddrPort]bool)
	for _, c := range p.Conns() {
		to[c.Client] = c.Backend == place
	}
	if n := p.Reset(place, BackendDown); n != 5 {
		t.Errorf("%d reset, want 5", n)
	}
	for _, c := range conns {
		if to[addressOf(c)] {
			wantReset(t, "of the backend", c)
		} else {
			wantAlive(t, "of the other", c)
		}
	}
	if r := p.record(); r.Cause != BackendDown {
		t.Errorf("record %+v", r)
	}
}

// In the second half of the grace those that are left go one after the other,
// and one that moves bytes goes late.
func TestWhatIsLeftIsResetOverTheGrace(t *testing.T) {
	echo := testnet.Start(t, "tcp4", testnet.Echo)
	p := newPlane(t, nil, echo.Address)
	const n = 20
	conns := relayed(p, n)
	start := time.Now()
	done := make(chan int)
	const grace = time.Second
	go func() { done <- p.Shutdown(context.Background(), grace) }()
	busy := conns[n/2]
	go func() {
		for b := make([]byte, 1); ; {
			if _, err := busy.Write(b); err != nil {
				return
			}
			if _, err := io.ReadFull(busy, b); err != nil {
				return
			}
		}
	}()
	if reset := <-done; reset != n {
		t.Errorf("%d reset, want %d", reset, n)
	}
	took := time.Since(start)
	var records []*Record // each worker tells its own in order
	for range n {
		r := p.record()
		if r.Cause != ShutDown {
			t.Errorf("record %+v", r)
		}
		records = append(records, r)
	}
	end := func(r *Record) time.Duration { return r.Accepted.Add(r.Total).Sub(start) }
	slices.SortFunc(records, func(a, b *Record) int { return cmp.Compare(end(a), end(b)) })
	place := slices.IndexFunc(records, func(r *Record) bool { return r.Client == addressOf(busy) })
	if place < n*3/4 {
		t.Errorf("the busy one went as number %d of %d, want it among the last", place, n)
	}
	first, middle := end(records[0]), end(records[n/2])
	if first < grace/2 || took < grace {
		t.Errorf("the first went after %v, all after %v, want %v and %v", first, took, grace/2, grace)
	}
	if middle < first+grace/8 || middle > took-grace/8 {
		t.Errorf("half were gone at %v of %v to %v: not spread", middle, first, took)
	}
}

func TestAskingAfterTheEndIsAnswered(t *testing.T) {
	echo := testnet.Start(t, "tcp4", testnet.Echo)
	p := newPlane(t, nil, echo.Address)
	p.Shutdown(t.Context(), 0)
	if got := p.Conns(); got != nil {
		t.Errorf("conns %v, want none", got)
	}
	if p.Kill(ConnID{0, 1, 1}, Killed) || p.Reset(p.Table().Pools[0].Backends[0], Killed) != 0 {
		t.Error("something was there")
	}
}

func TestConnIDTakesOnlyWhatItGives(t *testing.T) {
	for _, s := range []string{"", "1-2", "1-2-3-4", "a-1-1", "01-2-3", "1-2-99999999999", "1 -2-3", "-1-2-3"} {
		if id, err := ParseConnID(s); err == nil {
			t.Errorf("%q is taken for %v", s, id)
		}
	}
}
