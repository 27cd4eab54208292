package health

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/zap"

	"sluice/config"
	"sluice/internal/sys"
	"sluice/internal/testnet"
	"sluice/state"
)

// connectTo is a question for a connector.
func connectTo(a config.Address, timeout time.Duration) *inquiry {
	return &inquiry{question: question{at: a, kind: "tcp"}, settings: &config.Health{Timeout: timeout}}
}

// askBy asks and waits until it is found.
func askBy(c *connector, a config.Address, timeout time.Duration) error {
	q := connectTo(a, timeout)
	q.began = time.Now()
	for c.begin(q, q.began); ; time.Sleep(time.Until(c.next)) {
		if came := c.look(time.Now()); len(came) > 0 {
			return came[0].result
		}
	}
}

// silent is where no SYN is answered.
func silent(t *testing.T) config.Address {
	at := sys.TCPAddr(netip.MustParseAddrPort("127.0.0.1:0"))
	full(t, &at)
	return config.Address{TCP: at.AddrPort()}
}

// threeEnds are addresses that are well, that refuse and that do not answer, and what
// listens at the first.
func threeEnds(t *testing.T, at string) (l net.Listener, well, refuses, mute config.Address) {
	l, well = listen(t, "tcp4", at)
	gone, refuses := listen(t, "tcp4", at)
	gone.Close()
	return l, well, refuses, silent(t)
}

func TestConnectorGoesFromOneToTheNext(t *testing.T) {
	testnet.Leaks(t)
	l, well, refuses, mute := threeEnds(t, "127.0.0.1:0")
	c := newConnector()
	defer c.close()
	// One socket is asked for again and again, whatever became of it before.
	for i, tt := range []struct {
		at   config.Address
		want string
	}{
		{well, ""}, {refuses, "connection refused"}, {well, ""}, {well, ""}, {mute, "no answer within 20ms"},
		{well, ""}, {refuses, "connection refused"}, {mute, "no answer within 20ms"}, {refuses, "connection refused"}, {well, ""},
	} {
		timeout := 10 * time.Second
		if tt.at == mute {
			timeout = 20 * time.Millisecond
		}
		want := ""
		if tt.want != "" {
			want = fmt.Sprintf("connect %v: %s", tt.at, tt.want)
		}
		got := ""
		if err := askBy(c, tt.at, timeout); err != nil {
			got = err.Error()
		}
		if got != want {
			t.Fatalf("probe %d: got %q, want %q", i, got, want)
		}
		if n := len(c.idle[syscall.AF_INET]); n != 1 || len(c.busy) != 0 {
			t.Fatalf("probe %d: %d sockets idle and %d busy, want one that is idle", i, n, len(c.busy))
		}
	}
	l.Close()
	if err := askBy(c, well, 10*time.Second); err == nil {
		t.Error("one that was well for so long is well when it is gone")
	}
}

func TestConnectorAsksManyAtOnce(t *testing.T) {
	testnet.Leaks(t)
	_, well, refuses, mute := threeEnds(t, "0.0.0.0:0")
	c := newConnector()
	defer c.close()
	const each = 150 // more than one report of the epoll holds
	now := time.Now()
	expected := map[*inquiry]bool{}
	for i := range each {
		for _, a := range []config.Address{well, refuses, mute} {
			if a != mute {
				a.TCP = netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 2, 0, byte(i)}), a.TCP.Port())
			}
			q := connectTo(a, 100*time.Millisecond)
			q.began = now
			expected[q] = a.TCP.Port() == well.TCP.Port()
			c.begin(q, now)
		}
	}
	for end := now.Add(10 * time.Second); len(expected) > 0 && time.Now().Before(end); time.Sleep(time.Until(c.next)) {
		for _, q := range c.look(time.Now()) {
			well, ok := expected[q]
			if !ok {
				t.Fatalf("%v has two results", q.at)
			}
			if (q.result == nil) != well {
				t.Errorf("%v: got %v, want well: %v", q.at, q.result, well)
			}
			delete(expected, q)
		}
	}
	if len(expected) > 0 {
		t.Errorf("%d have no result", len(expected))
	}
	if n := len(c.idle[syscall.AF_INET]); n != mostIdle {
		t.Errorf("%d sockets are kept, want %d", n, mostIdle)
	}
	if !c.next.IsZero() {
		t.Error("it looks although nobody is asked")
	}
}

func TestConnectorLooksSeldomForTheSilent(t *testing.T) {
	mute := silent(t)
	c := newConnector()
	defer c.close()
	now := time.Now()
	q := connectTo(mute, time.Second)
	q.began = now
	c.begin(q, now)
	looks := 0
	for len(c.look(now)) == 0 {
		if c.next.After(q.began.Add(time.Second)) {
			t.Fatalf("the next look is %v after the beginning, later than the timeout", c.next.Sub(q.began))
		}
		now = c.next
		looks++
	}
	if looks > 60 || now.Sub(q.began) != time.Second {
		t.Errorf("found to be late after %v and %d looks, want 1s and about 50", now.Sub(q.began), looks)
	}
}

// A process that ends leaves no probe behind, and says nothing of who has not
// answered.
func TestConnectsEndWithTheChecker(t *testing.T) {
	testnet.Leaks(t)
	cfg := web(1)
	cfg.Pools[0].Health.Type, cfg.Pools[0].Health.Timeout = "tcp", time.Hour
	cfg.Pools[0].Backends[0].Address = silent(t)
	store := state.New()
	change := store.Change()
	change.SetConfig(cfg)
	change.Commit()
	port := cfg.Pools[0].Backends[0].Address.TCP.Port()
	before := len(socketsAt(t, synSent, port))
	ctx, cancel := context.WithCancel(t.Context())
	checker := New(store, zap.NewNop())
	done := make(chan struct{})
	go func() { checker.Run(ctx); close(done) }()
	testnet.Eventually(t, 30*time.Second, "a connect is under way", func() bool { return len(socketsAt(t, synSent, port)) > before })
	cancel()
	select {
	case <-done:
	case <-time.After(10 * time.Second):
		t.Error("it waits for who does not answer")
	}
	if h := store.View().Health("web", "b1"); h != nil {
		t.Errorf("it says %v: %s", h.Status, h.Reason)
	}
}

// The states of /proc/net/tcp, see include/net/tcp_states.h.
const (
	synSent  = "02"
	timeWait = "06"
)

// socketsAt are the IPv4 sockets of a state with the port at either end.
func socketsAt(t *testing.T, state string, port uint16) (lines []string) {
	t.Helper()
	table, err := os.ReadFile("/proc/net/tcp")
	testnet.Must(t, "read the table of sockets", err)
	at := fmt.Sprintf(":%04X", port)
	for line := range strings.Lines(string(table)) {
		f := strings.Fields(line)
		if len(f) > 3 && f[3] == state && (strings.HasSuffix(f[1], at) || strings.HasSuffix(f[2], at)) {
			lines = append(lines, line)
		}
	}
	return lines
}

func TestConnectAllocatesNothing(t *testing.T) {
	_, well := listen(t, "tcp4", "127.0.0.1:0")
	c := newConnector()
	defer c.close()
	q := connectTo(well, 10*time.Second)
	once := func() {
		q.began = time.Now()
		for c.begin(q, q.began); len(c.look(time.Now())) == 0; time.Sleep(time.Until(c.next)) {
		}
		if q.result != nil {
			t.Fatal(q.result)
		}
	}
	once()
	if n := testing.AllocsPerRun(100, once); n != 0 {
		t.Errorf("%v allocations for each probe", n)
	}
}

func BenchmarkConnect(b *testing.B) {
	l, a := sys.TCPAddr(netip.MustParseAddrPort("127.0.0.1:0")), config.Address{}
	fd, _ := sys.Socket(l.Family())
	defer sys.Close(fd)
	sys.Bind(fd, &l)
	sys.Listen(fd, 128)
	l, _ = sys.LocalAddr(fd)
	a.TCP = l.AddrPort()
	c := newConnector()
	defer c.close()
	b.ReportAllocs()
	for b.Loop() {
		if err := askBy(c, a, time.Second); err != nil {
			b.Fatal(err)
		}
	}
}
