package integration

import (
	"fmt"
	"io"
	"slices"
	"testing"
	"time"

	"sluice/internal/testnet"
)

// queue opens n connections, each with a byte sent. Those that are served get
// it back.
func queue(t *testing.T, n int, fronts ...string) []testnet.Conn {
	t.Helper()
	conns := make([]testnet.Conn, n)
	for i := range conns {
		conns[i] = testnet.Dial(t, fronts[i%len(fronts)])
		_, err := io.WriteString(conns[i], "?")
		testnet.Must(t, "send", err)
	}
	return conns
}

// served is which of the connections have got their byte.
func served(conns []testnet.Conn) (n int, which func(testnet.Conn) bool) {
	which = func(c testnet.Conn) bool { return testnet.Unread(c) == 1 }
	for _, c := range conns {
		if which(c) {
			n++
		}
	}
	return n, which
}

// wantServed waits until n of the connections are served, and looks a while
// longer whether it stays at that.
func wantServed(t *testing.T, conns []testnet.Conn, n int) {
	t.Helper()
	got := 0
	ok := testnet.Until(patience, func() bool { got, _ = served(conns); return got >= n })
	if ok {
		testnet.Until(100*time.Millisecond, func() bool { got, _ = served(conns); return got > n })
	}
	if got != n {
		t.Fatalf("%d of %d clients are served, want %d", got, len(conns), n)
	}
}

// release ends the first k served connections, and returns those left.
func release(t *testing.T, conns []testnet.Conn, k int) []testnet.Conn {
	t.Helper()
	_, which := served(conns)
	return slices.DeleteFunc(conns, func(c testnet.Conn) bool {
		if k == 0 || !which(c) {
			return false
		}
		k--
		c.Read(make([]byte, 1)) // closing with unread input would be a reset
		c.Close()
		return true
	})
}

func TestLimitOfConnectionsPausesAcceptingAndIsNeverExceeded(t *testing.T) {
	const most, clients = 10, 35
	for name, s := range map[string]Setup{
		"listener": {Listener: fmt.Sprint("max_connections = ", most)},
		"all":      {Runtime: fmt.Sprint("shutdown_grace = \"1s\"\nmax_connections = ", most), Bind: []string{"127.0.0.1:0", "127.0.0.1:0"}},
		"workers":  {Runtime: fmt.Sprint("shutdown_grace = \"1s\"\nworkers = 4\nmax_connections = ", most)},
	} {
		t.Run(name, func(t *testing.T) {
			peer := testnet.Start(t, "tcp4", testnet.Echo)
			s.Backends = []string{peer.Address}
			p := Sluice(t, s.TOML())
			before := p.Sockets()
			conns := queue(t, clients, p.Fronts("web")...)
			wantServed(t, conns, most)
			p.Say(patience, "the listener pauses", func(l Line) bool {
				return l.Level == "warn" && l.Listener == "web"
			})
			if quiet := quietCPU(p, 500*time.Millisecond); quiet > 0.1 {
				t.Errorf("a paused sluice uses %.0f%% of a CPU", 100*quiet)
			}
			for len(conns) > 0 {
				k := min(3, len(conns))
				conns = release(t, conns, k)
				wantServed(t, conns, min(most, len(conns)))
			}
			if n := peer.Accepted(); n != clients {
				t.Errorf("the backend had %d connections, want one for each of %d clients", n, clients)
			}
			testnet.Eventually(t, patience, "every socket is closed", func() bool { return p.Sockets() == before })
		})
	}
}

func TestFullBackendIsLeftToOthers(t *testing.T) {
	one := testnet.Start(t, "tcp4", testnet.Greet("1"))
	two := testnet.Start(t, "tcp4", testnet.Greet("2"))
	p := Sluice(t, Setup{
		Backends: []string{`{ address = "` + one.Address + `", max_connections = 3 }`, two.Address},
		Pool:     `policy = "first"`,
	}.TOML())
	var got []byte
	for range 6 {
		c := testnet.Dial(t, p.Front("web"))
		name := make([]byte, 1)
		_, err := io.ReadFull(c, name)
		testnet.Must(t, "greeting", err)
		got = append(got, name[0])
	}
	if string(got) != "111222" {
		t.Errorf("got %s, want three for the first and the rest for the second", got)
	}
}
