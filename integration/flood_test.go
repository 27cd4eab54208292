package integration

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
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
	helpers["flood"] = flood
	helpers["doorkeeper"] = doorkeeper
	helpers["pings"] = pings
}

// flood N SOURCES FRONT RATE makes N attempts, RATE a second, from so many addresses of
// the loopback network, and counts those that the kernel connected. It runs after
// everyone else: those who attack have machines of their own.
func flood() error {
	n, _ := strconv.Atoi(os.Args[1])
	sources, _ := strconv.Atoi(os.Args[2])
	rate, _ := strconv.Atoi(os.Args[4])
	threads, _ := os.ReadDir("/proc/self/task")
	for _, id := range threads { // those that are made later inherit it
		n, _ := strconv.Atoi(id.Name())
		syscall.Setpriority(syscall.PRIO_PROCESS, n, 19)
	}
	begun := time.Now()
	var next, made atomic.Int64
	var running sync.WaitGroup
	for range 16 {
		running.Go(func() {
			for i := next.Add(1); i <= int64(n); i = next.Add(1) {
				time.Sleep(time.Until(begun.Add(time.Duration(i) * time.Second / time.Duration(rate))))
				s := int(i) * 7919 % sources
				c, err := fromSource(net.IPv4(127, byte(64+s%4), byte(s>>10), byte(s>>2)), os.Args[3])
				if err == nil {
					c.SetLinger(0)
					c.Close()
				}
				if err == nil || errors.Is(err, syscall.ECONNRESET) { // it was reset as soon as it was connected
					made.Add(1)
				}
			}
		})
	}
	running.Wait()
	fmt.Printf(`{"msg":"done","accepted":%d}`+"\n", made.Load())
	return nil
}

// doorkeeper ADDRESS resets whoever connects, and does nothing else: the least that a
// flood can cost.
func doorkeeper() error {
	l, err := net.Listen("tcp", os.Args[1])
	if err != nil {
		return err
	}
	fmt.Println(`{"msg":"ready"}`)
	for {
		c, err := l.Accept()
		if err != nil {
			return err
		}
		c.(*net.TCPConn).SetLinger(0)
		c.Close()
	}
}

// fromSource connects from an address of the loopback network.
func fromSource(ip net.IP, to string) (*net.TCPConn, error) {
	d := net.Dialer{Timeout: patience, LocalAddr: &net.TCPAddr{IP: ip}, Control: func(_, _ string, raw syscall.RawConn) error {
		const bindAddressNoPort = 24 // IP_BIND_ADDRESS_NO_PORT: the port is chosen by connect
		return raw.Control(func(fd uintptr) { syscall.SetsockoptInt(int(fd), syscall.IPPROTO_IP, bindAddressNoPort, 1) })
	}}
	c, err := d.Dial("tcp", to)
	if err != nil {
		return nil, err
	}
	return c.(*net.TCPConn), nil
}

// pings MS ADDRESS... has a client of each address ask and be answered, side by side, and
// says what all but a hundredth of its answers took at most. It is a process of its own, or
// what else the test does would be measured.
func pings() error {
	ms, _ := strconv.Atoi(os.Args[1])
	over := time.Now().Add(time.Duration(ms) * time.Millisecond)
	p99 := make([]int64, len(os.Args)-2)
	failed := make([]error, len(p99))
	var running sync.WaitGroup
	for i, address := range os.Args[2:] {
		running.Go(func() { p99[i], failed[i] = ping(address, over) })
	}
	running.Wait()
	said, _ := json.Marshal(map[string]any{"msg": "done", "p99_us": p99})
	fmt.Println(string(said))
	return errors.Join(failed...)
}

// ping asks every 2 ms, and once at least; the p99 is in microseconds.
func ping(address string, over time.Time) (p99 int64, err error) {
	c, err := net.Dial("tcp", address)
	if err != nil {
		return 0, err
	}
	defer c.Close()
	b, took := make([]byte, 64), []int64{}
	for tick := time.NewTicker(2 * time.Millisecond); len(took) == 0 || time.Now().Before(over); <-tick.C {
		begun := time.Now()
		if _, err := c.Write(b); err != nil {
			return 0, fmt.Errorf("%s, after %d answers: %w", address, len(took), err)
		}
		if _, err := io.ReadFull(c, b); err != nil {
			return 0, fmt.Errorf("%s, after %d answers: %w", address, len(took), err)
		}
		took = append(took, time.Since(begun).Microseconds())
	}
	slices.Sort(took)
	return took[len(took)*99/100], nil
}

// p99s has clients ask for so long, and returns the p99 of each.
func p99s(t *testing.T, long time.Duration, addresses ...string) []time.Duration {
	t.Helper()
	_, said := Helper(t, "pings", append([]string{strconv.Itoa(int(long.Milliseconds()))}, addresses...)...)
	l, ok := said.Await(0, long+patience, Says("done"))
	if !ok {
		t.Fatalf("the clients did not come to their end:\n%s", said.Tail(10))
	}
	var p struct {
		P99 []time.Duration `json:"p99_us"`
	}
	testnet.Must(t, "read what clients say", json.Unmarshal([]byte(l.Raw), &p))
	for i := range p.P99 {
		p.P99[i] *= time.Microsecond
	}
	return p.P99
}

// startFlood floods an address. The channel is closed when it is over; then what it said
// may be read.
func startFlood(t *testing.T, attempts, sources, rate int, front string) (<-chan struct{}, *Line) {
	_, said := Helper(t, "flood", strconv.Itoa(attempts), strconv.Itoa(sources), front, strconv.Itoa(rate))
	over, done := make(chan struct{}), new(Line)
	go func() {
		defer close(over)
		*done, _ = said.Await(0, 5*time.Minute, Says("done"))
	}()
	return over, done
}

// counts are what the last line of a process says of its whole life.
type counts struct {
	Accepted, RecordsDropped int64
	Closed                   map[string]int64
}

// wantExact checks that every connection which was accepted has ended, with a cause.
func wantExact(t *testing.T, last Line) counts {
	t.Helper()
	var c counts
	var raw struct {
		Accepted       int64            `json:"accepted"`
		RecordsDropped int64            `json:"records_dropped"`
		Closed         map[string]int64 `json:"closed"`
	}
	testnet.Must(t, "read the last line", json.Unmarshal([]byte(last.Raw), &raw))
	c.Accepted, c.RecordsDropped, c.Closed = raw.Accepted, raw.RecordsDropped, raw.Closed
	sum := int64(0)
	for _, n := range c.Closed {
		sum += n
	}
	if sum != c.Accepted || c.Accepted == 0 {
		t.Errorf("%d accepted and %d ended: %s", c.Accepted, sum, last.Raw)
	}
	return c
}

// floodRate is how many attempts a second the whole flood makes. It is what two CPUs that
// are also the attackers' bear: at twice as many a listener that only accepts and resets
// costs a client who has nothing to do with it more than twice its p99.
const floodRate = 2500

// TestFlood: many sources knock, far more than may come in. Who is in does not notice,
// memory stays what it was, the log is not filled, and every count is exact.
func TestFlood(t *testing.T) {
	attempts, sources := sized(6000, 200_000), sized(3000, 100_000)
	rate := sized(20_000, floodRate)
	echo := testnet.FreeAddress(t, "tcp4")
	_, backend := Helper(t, "echo", echo)
	if _, ok := backend.Await(0, patience, Says("ready")); !ok {
		t.Fatal("the backend does not listen")
	}
	p := Sluice(t, Setup{
		Backends: []string{echo},
		Listener: `
connection_rate = "300/s"
connection_rate_per_source = "5/s"
max_connections_per_source = 5
deny = ["127.65.0.0/16"]`,
	}.TOML())
	front := p.Front("web")
	quiet := p99s(t, time.Duration(sized(700, 5000))*time.Millisecond, front, echo)
	before := residentKB(t, p.PID())

	begun := time.Now()
	over, flooded := startFlood(t, attempts, sources, rate, front)
	lasts := time.Duration(attempts) * time.Second / time.Duration(rate)
	during := p99s(t, lasts, front, echo)
	<-over
	took := time.Since(begun)
	after := residentKB(t, p.PID())
	testnet.Eventually(t, patience, "all have ended", func() bool { return p.Sockets() == 1 })
	made := flooded.Accepted + 2 // of them two that ask
	sum := wantExact(t, p.Stop())
	if sum.Accepted != made {
		t.Errorf("%d accepted, and clients have made %d", sum.Accepted, made)
	}
	lines, told := 0, int64(0)
	for _, l := range p.All(Connections) {
		var times struct{ Times int64 }
		testnet.Must(t, "read a record", json.Unmarshal([]byte(l.Raw), &times))
		told += max(1, times.Times)
		lines++
	}
	if told+sum.RecordsDropped != sum.Accepted {
		t.Errorf("the log tells of %d, and %d are dropped, of %d", told, sum.RecordsDropped, sum.Accepted)
	}
	admitted := int64(0)
	for _, cause := range []string{"completed", "client_aborted", "client_reset", "backend_reset"} {
		admitted += sum.Closed[cause]
	}
	if most := 300*(int64(took.Seconds())+2) + 2; admitted > most {
		t.Errorf("%d came in within %v, want at most %d", admitted, took, most)
	}
	if refusals := lines - int(admitted); refusals > 20*(int(took.Seconds())+2) {
		t.Errorf("%d lines of who was turned away in %v", refusals, took)
	}
	if after-before > 32<<10 {
		t.Errorf("%d KiB resident, %d before", after, before)
	}
	t.Logf("%d attempts from %d sources in %v, %d came in; resident %d -> %d KiB; %d lines; %v",
		made, sources, took.Round(time.Millisecond), admitted, before, after, lines, sum.Closed)
	if os.Getenv(fullVar) == "" {
		return
	}
	floor := floodFloor(t, attempts, sources, rate, lasts, echo)
	t.Logf("p99 of who is in: quiet %v, during %v; of who does not come through sluice: quiet %v, during %v, while another takes the flood %v",
		quiet[0], during[0], quiet[1], during[1], floor)
	if during[0] > 2*quiet[0] {
		t.Errorf("p99 %v, quiet %v: more than twice", during[0], quiet[0])
	}
}

// floodFloor is what the same flood does on this machine to a client that has nothing to
// do with sluice, when a listener takes it that only accepts and resets.
func floodFloor(t *testing.T, attempts, sources, rate int, lasts time.Duration, straight string) time.Duration {
	t.Helper()
	bare := testnet.FreeAddress(t, "tcp4")
	_, said := Helper(t, "doorkeeper", bare)
	if _, ok := said.Await(0, patience, Says("ready")); !ok {
		t.Fatal("the doorkeeper does not listen")
	}
	over, _ := startFlood(t, attempts, sources, rate, bare)
	p99 := p99s(t, lasts, straight)[0]
	<-over
	return p99
}

// residentKB is how much memory a process has.
func residentKB(t *testing.T, pid int) int {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	testnet.Must(t, "status", err)
	_, rest, _ := strings.Cut(string(text), "VmRSS:")
	n, err := strconv.Atoi(strings.Fields(rest)[0])
	testnet.Must(t, "VmRSS", err)
	return n
}
