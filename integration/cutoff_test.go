package integration

import (
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"sluice/internal/testnet"
)

// within runs f on a thread that is in a namespace; sockets that it opens stay there.
func within(t *testing.T, ns string, f func()) {
	t.Helper()
	runtime.LockOSThread()
	home := openNamespace(t, "/proc/thread-self/ns/net")
	there := openNamespace(t, "/run/netns/"+ns)
	defer func() { // a thread that ended would take programs with it that it has started
		testnet.Must(t, "go home", unix.Setns(int(home.Fd()), unix.CLONE_NEWNET))
		runtime.UnlockOSThread()
	}()
	testnet.Must(t, "enter "+ns, unix.Setns(int(there.Fd()), unix.CLONE_NEWNET))
	f()
}

func openNamespace(t *testing.T, path string) *os.File {
	t.Helper()
	f, err := os.Open(path)
	testnet.Must(t, "open a namespace", err)
	t.Cleanup(func() { f.Close() })
	return f
}

// The two hosts behind sluice in the tests of this file, which have a namespace in common.
const hostA, hostB = "10.77.2.2", "10.77.2.3"

// newHostsAB has two backends that say their names at port 80 and echo at port 81.
func newHostsAB(t *testing.T) *hosts {
	t.Helper()
	testnet.Need(t, "nft")
	h := newHosts(t)
	h.in(t, h.backend, "ip addr add "+hostB+"/24 dev eth0")
	within(t, h.backend, func() {
		for host, name := range map[string]string{hostA: "a", hostB: "b"} {
			testnet.StartAt(t, host+":80", testnet.Name(name))
			testnet.StartAt(t, host+":81", testnet.Echo)
		}
	})
	h.in(t, h.backend, "nft add table ip cut")
	for _, way := range []string{"input", "output"} {
		h.in(t, h.backend, "nft add chain ip cut "+way+" { type filter hook "+way+" priority 0 ; }")
	}
	return h
}

// cut has every packet to and from some hosts dropped; nobody is told. None: of no host
// any more.
func (h *hosts) cut(t *testing.T, off ...string) {
	t.Helper()
	h.in(t, h.backend, "nft flush table ip cut")
	for _, host := range off {
		h.in(t, h.backend, "nft add rule ip cut input ip daddr "+host+" drop")
		h.in(t, h.backend, "nft add rule ip cut output ip saddr "+host+" drop")
	}
}

// clients are n that come one after another; the longest wait of one for its name, or
// to be turned away, and how many got which name.
func (h *hosts) clients(t *testing.T, n int) (longest time.Duration, got map[string]int) {
	t.Helper()
	got = map[string]int{}
	within(t, h.client, func() {
		for range n {
			begun := time.Now()
			name, _ := ask(t, "10.77.1.1:80")
			longest = max(longest, time.Since(begun))
			got[name]++
		}
	})
	return longest, got
}

// cutOff is a configuration of both hosts.
func cutOff(port int, more, health string) string {
	return fmt.Sprintf(`
[runtime]
shutdown_grace = "1s"
[listeners.web]
bind = ["10.77.1.1:%d"]
pool = "web"
[pools.web]
policy = "round_robin"
backends = ["%s:%d", "%s:%d"]
connect_timeout = "%v"
retries = 1
%s
[pools.web.health]
%s
[pools.web.outlier]
consecutive_failures = 0
`, port, hostA, port, hostB, port, connectTimeout, more, health)
}

const (
	connectTimeout = time.Second
	// noise is what a busy machine may add to a wait: less than one try too many would.
	noise = 900 * time.Millisecond
)

// TestNobodyWaitsLongerThanTriesTake: a host that is cut off answers nothing. Nothing but
// the connect timeout finds it, and no client waits longer than all of its tries may take.
func TestNobodyWaitsLongerThanTriesTake(t *testing.T) {
	h := newHostsAB(t)
	p := Sluice(t, cutOff(80, "", `type = "none"`), at(h.sluice))
	if _, got := h.clients(t, 10); got["a"] != 5 || got["b"] != 5 {
		t.Fatalf("all are well: %v", got)
	}
	h.cut(t, hostB)
	longest, got := h.clients(t, 6)
	t.Logf("one of two is cut off: %v, the longest wait %v", got, longest.Round(time.Millisecond))
	if got["a"] != 6 {
		t.Errorf("one of two is cut off: %v", got)
	}
	if most := 2*connectTimeout + noise; longest < connectTimeout || longest > most {
		t.Errorf("the longest wait was %v, want %v to %v", longest, connectTimeout, most)
	}
	h.cut(t, hostA, hostB)
	longest, got = h.clients(t, 2)
	t.Logf("both are: %v, the longest wait %v", got, longest.Round(time.Millisecond))
	if most := 2*connectTimeout + noise; got[""] != 2 || longest < 2*connectTimeout || longest > most {
		t.Errorf("both are cut off: %v, the longest wait was %v, want %v to %v", got, longest, 2*connectTimeout, most)
	}
	testnet.Eventually(t, patience, "all are told of", func() bool { return len(p.All(Connections)) == 18 })
	for i, l := range p.All(Connections)[16:] {
		if !strings.Contains(l.Raw, `"cause":"connect_timeout"`) {
			t.Errorf("client %d without any host: %s", i, l.Raw)
		}
	}
}

// TestProbesFindWhoIsCutOff in interval x fall and one timeout; from then on clients do
// not wait at all.
func TestProbesFindWhoIsCutOff(t *testing.T) {
	h := newHostsAB(t)
	p := Sluice(t, cutOff(80, "", `
type = "tcp"
interval = "200ms"
timeout = "200ms"
jitter = 0.0
fall = 2
rise = 1`), at(h.sluice))
	from := 0
	turns := func(to string) (took time.Duration) {
		t.Helper()
		begun := time.Now()
		l, ok := p.Await(from, patience, func(l Line) bool { return strings.HasPrefix(l.Msg, "web/"+hostB+":80 "+to) })
		if !ok {
			t.Fatalf("it is not told %q:\n%s", to, p.Tail(10))
		}
		from = p.Len()
		t.Logf("after %v: %s", time.Since(begun).Round(time.Millisecond), l.Msg)
		return time.Since(begun)
	}
	turns("up: ")
	h.cut(t, hostB)
	if took, most := turns("down: "), 2*200*time.Millisecond+200*time.Millisecond+noise; took > most {
		t.Errorf("it took %v to find it, want at most %v", took, most)
	}
	testnet.Eventually(t, time.Second, "the table without it is in force", func() bool {
		longest, got := h.clients(t, 4)
		return got["a"] == 4 && longest < connectTimeout
	})
	longest, got := h.clients(t, 20)
	t.Logf("when it is found: %v, the longest wait %v", got, longest.Round(time.Microsecond))
	if got["a"] != 20 || longest >= connectTimeout {
		t.Errorf("when it is found: %v, the longest wait %v", got, longest)
	}
	h.cut(t)
	turns("up: ")
	testnet.Eventually(t, patience, "it has clients again", func() bool {
		_, got := h.clients(t, 2)
		return got["b"] > 0
	})
}

// TestATransferEndsWhenItsHostIsCutOff: a connection that is under way says why it ended,
// by what the pool asks for.
func TestATransferEndsWhenItsHostIsCutOff(t *testing.T) {
	const timedOut = `"backend_reset","code":"SD","error":"connection timed out"`
	for _, tt := range []struct{ name, pool, health, why string }{
		{"user_timeout", `user_timeout = "1s"`, `type = "none"`, timedOut},
		{"keepalive", `keepalive = { idle = "1s", interval = "1s", count = 1 }`, `type = "none"`, timedOut},
		{"on_down", `on_down = "reset"`, "type = \"tcp\"\ninterval = \"200ms\"\ntimeout = \"200ms\"\nfall = 2\nrise = 1", `"backend_down"`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h := newHostsAB(t)
			p := Sluice(t, cutOff(81, tt.pool, tt.health), at(h.sluice))
			var c testnet.Conn
			within(t, h.client, func() { c = testnet.Dial(t, "10.77.1.1:81") })
			_, err := testnet.Exchange(c, testnet.Stream(1), 1<<20)
			testnet.Must(t, "exchange", err)
			h.cut(t, hostA, hostB)
			if tt.name == "user_timeout" { // of what is not acknowledged
				c.Write(make([]byte, 100))
			}
			begun := time.Now()
			_, err = io.ReadAll(c)
			if !testnet.IsReset(err) {
				t.Errorf("the client sees %v, want a reset", err)
			}
			l, ok := p.Await(0, patience, func(l Line) bool {
				return strings.Contains(l.Raw, `"cause":"`) && strings.Contains(l.Raw, `"bytes_up":1048`)
			})
			if !ok || !strings.Contains(l.Raw, `"cause":`+tt.why) {
				t.Errorf("it ended so: %s", p.Tail(5))
			}
			t.Logf("ended after %v: %s", time.Since(begun).Round(time.Millisecond), l.Raw)
		})
	}
}
