package integration

import (
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"sluice/internal/testnet"
)

// mixed is many connections in all the states that one can be in, each of which
// checks every byte that it gets.
type mixed struct {
	t           *testing.T
	echo, bulk  string // where clients come in
	wait        string // whose backend never answers
	over        chan struct{}
	clients     sync.WaitGroup
	atRest      sync.WaitGroup // until every client has come to where it is to be
	mu          sync.Mutex
	errors      []error
	round       []time.Duration // of the ping-pong clients
	pauses      []time.Duration // the longest round of each of them around each handover
	made, moved atomic.Int64    // connections, bytes
	handovers   atomic.Int64    // that are over
}

// bulky is what a slow reader is sent.
const bulky = 8 << 20

func startMixed(t *testing.T, p *Process, n int) *mixed {
	m := &mixed{t: t, echo: p.Front("bulk"), bulk: p.Front("small"), wait: p.Front("wait"), over: make(chan struct{})}
	kinds := []func(net.Conn, int) error{m.idle, m.both, m.pingPong, m.halfClosed, m.slow, m.idle}
	for i := range n {
		m.atRest.Add(1)
		m.clients.Go(func() {
			address := m.echo
			if i%len(kinds) == 4 {
				address = m.bulk
			}
			c, err := testnet.TryDial(address, patience)
			m.made.Add(1)
			if err == nil {
				c.SetDeadline(time.Now().Add(5 * time.Minute))
				err = kinds[i%len(kinds)](c, i)
				c.Close()
			} else {
				m.atRest.Done()
			}
			m.fault(i, err)
		})
	}
	m.clients.Go(m.comeAndGo)
	for i := range waiting {
		m.atRest.Add(1)
		m.clients.Go(func() { m.fault(n+i, m.connecting()) })
	}
	m.atRest.Wait()
	return m
}

// waiting is how many connections have no backend yet when a handover comes.
const waiting = 4

func (m *mixed) fault(i int, err error) {
	if err != nil {
		m.mu.Lock()
		m.errors = append(m.errors, fmt.Errorf("client %d: %w", i, err))
		m.mu.Unlock()
	}
}

func (m *mixed) ended() bool {
	select {
	case <-m.over:
		return true
	default:
		return false
	}
}

func (m *mixed) exchange(c net.Conn, s, n int) error {
	_, err := testnet.Exchange(c.(testnet.Conn), testnet.Stream(s), int64(n))
	m.moved.Add(int64(2 * n))
	return err
}

// idle says something at the beginning and at the end.
func (m *mixed) idle(c net.Conn, i int) error {
	err := m.exchange(c, i, 1000)
	m.atRest.Done()
	<-m.over
	if err == nil {
		err = m.exchange(c, i+1, 1000)
	}
	return err
}

// both sends and receives as much as goes, all the time.
func (m *mixed) both(c net.Conn, i int) (err error) {
	m.atRest.Done()
	for err == nil && !m.ended() {
		err = m.exchange(c, i, 1<<20)
	}
	return err
}

// pingPong sends small messages and measures how long each takes.
func (m *mixed) pingPong(c net.Conn, i int) (err error) {
	m.atRest.Done()
	var longest time.Duration
	over := m.handovers.Load()
	for err == nil && !m.ended() {
		var took time.Duration
		took, err = testnet.Exchange(c.(testnet.Conn), testnet.Stream(i), 64)
		longest = max(longest, took)
		m.mu.Lock()
		m.round = append(m.round, took)
		if now := m.handovers.Load(); now != over {
			m.pauses = append(m.pauses, longest)
			over, longest = now, 0
		}
		m.mu.Unlock()
		time.Sleep(time.Millisecond)
	}
	return err
}

// halfClosed has said all that it will say, and reads only at the end.
func (m *mixed) halfClosed(c net.Conn, i int) error {
	const n = 100_000
	s := testnet.Stream(i)
	err := s.Send(c, n)
	if err == nil {
		err = c.(testnet.Conn).CloseWrite()
	}
	m.atRest.Done()
	<-m.over
	return errors.Join(err, s.Receive(c, n))
}

// slow does not read what it is sent until the end: its pipe is full, and so is
// every buffer on the way.
func (m *mixed) slow(c net.Conn, _ int) error {
	m.atRest.Done()
	<-m.over
	return testnet.Stream(1).Receive(c, bulky)
}

// connecting is a client whose backend does not answer. He is told nothing, and
// gives up in the end.
func (m *mixed) connecting() error {
	c, err := testnet.TryDial(m.wait, patience)
	m.made.Add(1)
	m.atRest.Done()
	if err != nil {
		return err
	}
	defer c.Close()
	<-m.over
	c.SetReadDeadline(time.Now().Add(time.Millisecond))
	if n, err := c.Read(make([]byte, 1)); n > 0 || !errors.Is(err, os.ErrDeadlineExceeded) {
		return fmt.Errorf("connecting: read %d bytes, %v", n, err)
	}
	return c.(*net.TCPConn).SetLinger(0)
}

// comeAndGo opens connections and closes them, all the time.
func (m *mixed) comeAndGo() {
	for i := 0; !m.ended(); i++ {
		c, err := testnet.TryDial(m.echo, patience)
		m.made.Add(1)
		if err == nil {
			c.SetDeadline(time.Now().Add(patience))
			err = m.exchange(c, i, 100)
			c.Close()
		}
		m.fault(-i, err)
	}
}

// end lets every client come to its end, and fails the test if one has met with
// anything.
func (m *mixed) end() {
	m.t.Helper()
	close(m.over)
	m.clients.Wait()
	for i, err := range m.errors {
		if i == 10 {
			break
		}
		m.t.Errorf("of %d that failed: %v", len(m.errors), err)
	}
	m.t.Logf("%d connections, %d MiB, %d round trips: %s", m.made.Load(), m.moved.Load()>>20, len(m.round), spread(m.round))
	m.t.Logf("the longest round trip of each ping-pong client around each handover: %s", spread(m.pauses))
}

func spread(d []time.Duration) string {
	if len(d) == 0 {
		return "none"
	}
	slices.Sort(d)
	at := func(share float64) time.Duration {
		return d[int(share*float64(len(d)-1))].Round(100 * time.Microsecond)
	}
	return fmt.Sprintf("p50 %v, p99 %v, max %v", at(0.5), at(0.99), at(1))
}

// underHandovers runs the mixed load while something is done a number of times.
// It returns the process and how many connections were made.
func underHandovers(t *testing.T, times int, do func(*Process) Line) (*Process, int) {
	echo := testnet.Start(t, "tcp4", testnet.Echo)
	source := testnet.Start(t, "tcp4", testnet.Source(1, bulky))
	toml := twoListeners("127.0.0.1:0", echo.Address, "127.0.0.2:0", source.Address) + fmt.Sprintf(`
[listeners.wait]
bind = "127.0.0.3:0"
pool = "wait"
[pools.wait]
backends = [%q]
connect_timeout = "10m"
health = { type = "none" }
`, testnet.Silent(t))
	p := Sluice(t, toml+adminSocket(t))
	m := startMixed(t, p, sized(90, 1000))
	var pauses []float64
	for range times {
		l := do(p)
		m.handovers.Add(1)
		pauses = append(pauses, l.PauseMS)
		if l.Reset != 0 || l.Connections == 0 {
			t.Errorf("%s", l.Raw)
		}
	}
	m.end()
	slices.Sort(pauses)
	t.Logf("%d handovers; pause as sluice has it: p50 %.1f ms, max %.1f ms", times, pauses[(len(pauses)-1)/2], pauses[len(pauses)-1])
	testnet.Eventually(t, patience, "those who were waiting have gone", func() bool {
		return len(p.All(func(l Line) bool { return Connections(l) && l.Cause == "client_aborted" })) == waiting
	})
	for _, l := range p.All(Connections) {
		if l.Cause != "completed" && (l.Cause != "client_aborted" || l.Listener != "wait") {
			t.Errorf("a connection has ended otherwise: %s", l.Raw)
		}
	}
	if l := p.Stop(); l.Accepted != m.made.Load() {
		t.Errorf("%d connections were counted over all processes, %d were made", l.Accepted, m.made.Load())
	}
	return p, int(m.made.Load())
}
