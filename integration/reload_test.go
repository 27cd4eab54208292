package integration

import (
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"sluice/internal/testnet"
)

// table is a listener and a pool of the same name.
func table(name, bind, backend string) string {
	return fmt.Sprintf(`
[listeners.%[1]s]
bind = %[2]q
pool = "%[1]s"
[pools.%[1]s]
backends = [%[3]q]
`, name, bind, backend)
}

// greeted opens a connection and returns it with the greeting.
func greeted(t *testing.T, front string) (testnet.Conn, string) {
	t.Helper()
	c := testnet.Dial(t, front)
	p := make([]byte, 1)
	_, err := io.ReadFull(c, p)
	testnet.Must(t, "greeting", err)
	return c, string(p)
}

// wantAlive checks that bytes still go both ways.
func wantAlive(t *testing.T, what string, c testnet.Conn) {
	t.Helper()
	_, err := testnet.Exchange(c, 1, 100_000)
	testnet.Must(t, what, err)
}

func TestReloadAddsAndRemovesAndTouchesNoConnection(t *testing.T) {
	a := testnet.Start(t, "tcp4", testnet.Greet("a"))
	b := testnet.Start(t, "tcp4", testnet.Greet("b"))
	one, two := testnet.FreeAddress(t, "tcp4"), "unix:"+testnet.SocketPath(t)
	p := Sluice(t, table("one", one, a.Address))
	first, name := greeted(t, one)
	if name != "a" {
		t.Fatalf("got backend %s", name)
	}
	reload := func(toml string) {
		t.Helper()
		if ok, lines := p.Reload(toml); !ok {
			t.Fatalf("refused: %v", lines)
		}
		wantAlive(t, "the first connection after a reload", first)
	}

	reload(table("one", one, a.Address) + table("two", two, b.Address))
	second, name := greeted(t, two)
	if name != "b" {
		t.Errorf("the new listener leads to %s", name)
	}
	fresh, name := greeted(t, one)
	if name != "a" {
		t.Errorf("the old listener leads to %s", name)
	}
	fresh.Close()

	// Another backend: new connections go to it, the others stay.
	reload(table("one", one, b.Address) + table("two", two, b.Address))
	testnet.Eventually(t, patience, "new clients get the new backend", func() bool {
		c, name := greeted(t, one)
		c.Close()
		return name == "b"
	})

	// The listener goes: no new connections, the others stay.
	reload(table("two", two, a.Address))
	testnet.Eventually(t, patience, "the listener is closed", func() bool {
		c, err := testnet.TryDial(one, time.Second)
		if err == nil {
			c.Close()
		}
		return err != nil
	})
	wantAlive(t, "the connection of the second listener", second)
	for _, c := range []testnet.Conn{first, second} {
		c.CloseWrite()
		testnet.Must(t, "end", testnet.Stream(0).Receive(c, 0))
	}
	testnet.Eventually(t, patience, "a record of the removed listener", func() bool {
		return len(p.All(func(l Line) bool {
			return Connections(l) && l.Listener == "one" && l.Backend == a.Address && l.Client == first.LocalAddr().String()
		})) == 1
	})
}

func TestBadReloadChangesNothingAndSaysWhy(t *testing.T) {
	a := testnet.Start(t, "tcp4", testnet.Greet("a"))
	b := testnet.Start(t, "tcp4", testnet.Greet("b"))
	taken := testnet.Start(t, "tcp4", testnet.Discard)
	one, more := testnet.FreeAddress(t, "tcp4"), testnet.FreeAddress(t, "tcp4")
	p := Sluice(t, table("one", one, a.Address))
	live, _ := greeted(t, one)
	for name, tc := range map[string]struct{ toml, want string }{
		"syntax":      {"[listeners.one\n", "sluice.toml:1"},
		"unknown key": {table("one", one, b.Address) + "weigth = 3\n", "weigth"},
		"no pool":     {"[listeners.one]\nbind = \"" + one + "\"\npool = \"none\"\n", "none"},
		// The first listener could be opened. It must not be.
		"address taken": {table("more", more, b.Address) + table("one", one, b.Address) + table("z", taken.Address, b.Address),
			"address already in use"},
	} {
		t.Run(name, func(t *testing.T) {
			ok, lines := p.Reload(tc.toml)
			if ok {
				t.Fatal("it was taken")
			}
			said := ""
			for _, l := range lines {
				said += l.Raw + "\n"
			}
			if !strings.Contains(said, tc.want) {
				t.Errorf("got\n%s\nwant %q in it", said, tc.want)
			}
			c, backend := greeted(t, one)
			if backend != "a" {
				t.Errorf("new clients get %s", backend)
			}
			c.Close()
			if c, err := testnet.TryDial(more, time.Second); err == nil {
				c.Close()
				t.Error("a listener of the refused file accepts")
			}
			wantAlive(t, "a live connection", live)
		})
	}
	if ok, lines := p.Reload(table("one", one, b.Address)); !ok {
		t.Fatalf("a good file is refused after bad ones: %v", lines)
	}
}

func TestReloadResetsConnectionsOfARemovedBackendIfAsked(t *testing.T) {
	a := testnet.Start(t, "tcp4", testnet.Greet("a"))
	b := testnet.Start(t, "tcp4", testnet.Greet("b"))
	one := testnet.FreeAddress(t, "tcp4")
	const how = "on_removed = \"reset\"\n"
	p := Sluice(t, table("one", one, a.Address)+how)
	live, _ := greeted(t, one)
	if ok, lines := p.Reload(table("one", one, b.Address) + how); !ok {
		t.Fatalf("refused: %v", lines)
	}
	if _, err := live.Read(make([]byte, 1)); !testnet.IsReset(err) {
		t.Errorf("client got %v, want a reset", err)
	}
	p.Say(patience, "the cause", func(l Line) bool { return Connections(l) && l.Cause == "backend_removed" })
	next, name := greeted(t, one)
	if name != "b" {
		t.Errorf("the next client got %s", name)
	}
	wantAlive(t, "the next client", next)
}
