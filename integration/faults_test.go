package integration

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"sluice/internal/testnet"
)

func init() {
	// faulty ADDRESS... are backends that do something else with each connection.
	helpers["faulty"] = func() error {
		for _, a := range os.Args[1:] {
			if _, err := testnet.Listen(a, faulty); err != nil {
				return err
			}
		}
		fmt.Println(`{"msg":"ready"}`)
		select {}
	}
	// mixers N SECONDS FRONT has N clients come again and again, each time with
	// something else in mind, and says how many connections they have made.
	helpers["mixers"] = mixers
}

// faulty is a backend of which nobody knows what it will do.
func faulty(ctx context.Context, c testnet.Conn) {
	switch rand.IntN(12) {
	case 0: // resets at once
		testnet.Reset(c)
	case 1: // ends at once
	case 2: // answers a little and resets
		io.CopyN(c, c, 100)
		testnet.Reset(c)
	case 3: // says something and is silent
		c.Write([]byte("hello"))
		wait(ctx, time.Duration(rand.IntN(3000))*time.Millisecond)
	case 4: // ends its side and goes on reading
		c.Write(make([]byte, rand.IntN(100_000)))
		c.CloseWrite()
		io.Copy(io.Discard, c)
	case 5: // slow
		for range 20 {
			if _, err := c.Write([]byte("x")); err != nil {
				return
			}
			wait(ctx, 50*time.Millisecond)
		}
	default:
		io.Copy(c, c)
	}
}

func wait(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

func mixers() error {
	n, _ := strconv.Atoi(os.Args[1])
	seconds, _ := strconv.Atoi(os.Args[2])
	end := time.Now().Add(time.Duration(seconds) * time.Second)
	var made atomic.Int64
	var running sync.WaitGroup
	for i := range n {
		running.Go(func() {
			r := rand.New(rand.NewPCG(uint64(i), 21))
			time.Sleep(time.Duration(r.Int64N(int64(time.Second))))
			for time.Now().Before(end) {
				c, err := fromSource(net.IPv4(127, 1, byte(i>>4), byte(1+i%16)), os.Args[3])
				if err == nil || errors.Is(err, syscall.ECONNRESET) {
					made.Add(1)
				}
				if err != nil {
					time.Sleep(50 * time.Millisecond)
					continue
				}
				mix(c, r)
				c.Close()
				time.Sleep(time.Duration(r.IntN(300)) * time.Millisecond)
			}
		})
	}
	running.Wait()
	fmt.Printf(`{"msg":"done","accepted":%d}`+"\n", made.Load())
	return nil
}

// mix does something with a connection.
func mix(c *net.TCPConn, r *rand.Rand) {
	c.SetDeadline(time.Now().Add(8 * time.Second))
	some := make([]byte, 1+r.IntN(20_000))
	switch r.IntN(9) {
	case 0: // leaves at once
	case 1: // resets at once
		c.SetLinger(0)
	case 2: // resets in the middle
		c.Write(some)
		c.SetLinger(0)
	case 3: // says nothing
		time.Sleep(time.Duration(r.IntN(4000)) * time.Millisecond)
	case 4: // asks and ends its side
		c.Write(some)
		c.CloseWrite()
		io.Copy(io.Discard, c)
	case 5: // reads nothing
		c.Write(some)
		time.Sleep(time.Duration(r.IntN(2000)) * time.Millisecond)
	default: // asks, is answered, and asks again
		for range 1 + r.IntN(20) {
			if _, err := c.Write(some); err != nil {
				return
			}
			if _, err := io.ReadFull(c, some); err != nil {
				return
			}
			time.Sleep(time.Duration(r.IntN(100)) * time.Millisecond)
		}
	}
}

// mixedFor is how long the mixed clients come: SLUICE_TEST_FULL may say it.
func mixedFor() time.Duration {
	d, err := time.ParseDuration(os.Getenv(fullVar))
	if err != nil {
		d = time.Duration(sized(2, 600)) * time.Second
	}
	return d
}

// TestMixedClientsAndRandomFaults: clients of every kind come to backends that fail in
// every way, by way of limits, a queue and a fallback file, while reloads change them
// and kills interrupt it all. Every connection that was made has ended with a cause,
// and the counts add up exactly.
func TestMixedClientsAndRandomFaults(t *testing.T) {
	clients, d := sized(400, 10_000), mixedFor()
	backends := make([]string, 4)
	for i := range backends {
		backends[i] = testnet.FreeAddress(t, "tcp4")
	}
	_, said := Helper(t, "faulty", backends...)
	said.Await(0, patience, Says("ready"))
	sorry := filepath.Join(t.TempDir(), "sorry")
	testnet.Must(t, "write", os.WriteFile(sorry, []byte(strings.Repeat("sorry ", 20_000)), 0o644))
	front := testnet.FreeAddress(t, "tcp4")
	share := clients / 8 // of each backend: some have to wait
	toml := func(r *rand.Rand) string {
		s := Setup{
			Bind: []string{front}, Access: "off", Runtime: `shutdown_grace = "5s"`,
			Listener: fmt.Sprintf(`
backlog = 65535
idle_timeout = "2s"
half_close_timeout = "1s"
max_lifetime = "%ds"
connection_rate_per_source = "50/s"
max_connections_per_source = %d
deny = ["127.1.%d.0/28"]
fallback_file = %q`, 3+r.IntN(10), 1+r.IntN(8), r.IntN(8), sorry),
			Pool: fmt.Sprintf(`
policy = %q
connect_timeout = "1s"
max_connections = %d
queue = %d
queue_timeout = "%dms"`, []string{"least_connections", "round_robin", "source_hash"}[r.IntN(3)], 3*share+r.IntN(share), r.IntN(clients/4), 100+r.IntN(2000)),
			Health:  "interval = \"500ms\"",
			Outlier: "consecutive_failures = 20\neject_for = \"500ms\"",
		}
		for _, b := range backends[:1+r.IntN(len(backends))] {
			s.Backends = append(s.Backends, fmt.Sprintf("{ address = %q, max_connections = %d }", b, share))
		}
		if r.IntN(3) == 0 {
			s.Backends = append(s.Backends, fmt.Sprintf("{ address = %q }", testnet.Refusing(t)))
		}
		return s.TOML()
	}
	r := rand.New(rand.NewPCG(1, 23))
	p := Sluice(t, toml(r))
	overflows := listenOverflows(t)
	_, mixed := Helper(t, "mixers", strconv.Itoa(clients), strconv.Itoa(int(d.Seconds())), front)
	reloads, kills := 0, 0
	nextKill := time.Now().Add(d / 3)
	for over := time.Now().Add(d); time.Now().Before(over); {
		if _, ended := mixed.Await(0, time.Duration(300+r.IntN(700))*time.Millisecond, Says("done")); ended {
			break
		}
		if time.Now().After(nextKill) {
			p.KillWorker()
			kills++
			nextKill = time.Now().Add(time.Duration(5+r.IntN(10)) * time.Second)
			continue
		}
		if ok, lines := p.Reload(toml(r)); !ok {
			t.Fatalf("a reload was refused: %v", lines)
		}
		reloads++
	}
	done, ok := mixed.Await(0, patience+30*time.Second, Says("done"))
	if !ok {
		t.Fatal("the clients do not come to an end")
	}
	testnet.Eventually(t, 30*time.Second, "all connections have ended", func() bool { return p.Sockets() <= 1+len(backends) }) // probes
	sum := wantExact(t, p.Stop())
	// Who was turned away at the door at the very moment of a kill is not counted, nor
	// is who left before the kernel had room for him: with 10,000 clients that takes
	// net.core.somaxconn = 65535.
	overflows = listenOverflows(t) - overflows
	if lost := done.Accepted - sum.Accepted; lost < 0 || lost > int64(kills)+overflows {
		t.Errorf("%d accepted, and clients have made %d; %d kills, %d overflows", sum.Accepted, done.Accepted, kills, overflows)
	}
	t.Logf("%d clients for %v: %d connections of %d, %d reloads, %d kills, %d overflows: %v", clients, d, sum.Accepted, done.Accepted, reloads, kills, overflows, sum.Closed)
	kinds := 0
	for _, n := range sum.Closed {
		if n > 0 {
			kinds++
		}
	}
	if kinds < 10 {
		t.Errorf("only %d causes: this is no mixture", kinds)
	}
}

// listenOverflows is how often the kernel had no room in the queue of a listening
// socket of this network namespace (ListenOverflows in /proc/net/netstat).
func listenOverflows(t *testing.T) int64 {
	t.Helper()
	text, err := os.ReadFile("/proc/net/netstat")
	testnet.Must(t, "read", err)
	var names []string
	for line := range strings.Lines(string(text)) {
		fields := strings.Fields(line)
		if fields[0] != "TcpExt:" {
			continue
		}
		if i := slices.Index(names, "ListenOverflows"); i >= 0 {
			n, err := strconv.ParseInt(fields[i], 10, 64)
			testnet.Must(t, "ListenOverflows", err)
			return n
		}
		names = fields
	}
	t.Fatal("no ListenOverflows in /proc/net/netstat")
	return 0
}
