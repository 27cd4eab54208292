//go:build fault

package proxy

import (
	"errors"
	"fmt"
	"net"
	"testing"
	"time"

	"sluice/internal/testnet"
)

// moment is a window, and what has to come of a connection that was there when the
// process was killed.
type moment struct {
	name     string
	relays   []Relay
	backends func(t *testing.T) []string
	talk     func(net.Conn) error
	want     Record // Up and Down 0: any
	reset    bool   // the connection cannot be carried
}

var (
	both      = []Relay{Splice, Copy}
	spliced   = []Relay{Splice}
	copies    = []Relay{Copy}
	completed = Record{Cause: Completed, Up: faultBytes, Down: faultBytes}
)

var moments = []moment{
	{"accepted", spliced, echoing, exchange, completed, false},
	{"slot taken", spliced, echoing, exchange, completed, false},
	{"conn noted", spliced, echoing, exchange, completed, false},
	{"backend socket", spliced, echoing, exchange, completed, false},
	{"backend noted", spliced, echoing, exchange, completed, false},
	{"backend noted", spliced, echoingUnix, exchange, completed, false},
	{"connect begun", spliced, echoing, exchange, completed, false},
	{"connect begun", spliced, refusingFirst, exchange, completed, false},
	{"connect begun", spliced, echoingUnix, exchange, completed, false},
	{"connect failed", spliced, refusingFirst, exchange, completed, false},
	{"backend crossed out", spliced, refusingFirst, exchange, completed, false},
	{"connect done", spliced, echoing, exchange, completed, false},
	{"relaying", spliced, echoing, exchange, completed, false},

	{"pipe lent", spliced, echoing, exchange, completed, false},
	{"spliced in", spliced, echoing, exchange, completed, false},
	{"spliced in:5", spliced, echoing, exchange, completed, false},
	{"spliced in:4", spliced, echoingUnix, exchange, completed, false},
	{"spliced out", spliced, echoing, exchange, completed, false},
	{"spliced out:6", spliced, echoing, exchange, completed, false},
	{"spliced out:5", spliced, echoingUnix, exchange, completed, false},
	{"moved counted:3", spliced, echoing, exchange, completed, false},
	{"pipe let go:3", spliced, echoing, exchange, completed, false},

	{"read", copies, echoing, exchange, completed, false},
	{"read:6", copies, echoing, exchange, completed, false},
	{"read counted:3", copies, echoing, exchange, completed, false},
	{"written", copies, echoing, exchange, completed, false},
	{"written:6", copies, echoing, exchange, completed, false},
	{"written counted:3", copies, echoing, exchange, completed, false},
	{"buffer let go:3", copies, echoing, exchange, completed, false},
	{"read:4", copies, echoingUnix, exchange, completed, false},
	{"read:5", copies, echoingUnix, exchange, completed, false},
	{"read:6", copies, serving7Unix, receive7, Record{Cause: Completed, Down: faultBytes}, false},
	{"read counted:6", copies, serving7Unix, receive7, Record{Cause: Completed, Down: faultBytes}, false},
	{"written:5", copies, echoingUnix, exchange, completed, false},
	{"written:6", copies, echoingUnix, exchange, completed, false},
	{"written:6", copies, serving7Unix, receive7, Record{Cause: Completed, Down: faultBytes}, false},
	{"written counted:5", copies, echoingUnix, exchange, completed, false},
	{"written counted:6", copies, echoingUnix, exchange, completed, false},
	{"read", copies, echoing, exchangeUrgent, Record{Cause: Completed, Up: faultBytes + 1, Down: faultBytes}, false},

	{"source ended", both, echoing, exchange, completed, false},
	{"shut", both, echoing, exchange, completed, false},
	{"shut", both, echoingUnix, exchange, completed, false},
	{"source ended:2", both, echoing, exchange, completed, false},
	{"source broke", both, resetting5, untilReset, Record{Cause: BackendReset, Up: 1, Down: faultBytes}, false},
	{"sink broke", both, endless6, fullThenReset, Record{Cause: ClientReset}, false},
	{"carrier dropped", both, endless6, fullThenReset, Record{Cause: ClientReset}, false},

	{"closing", both, echoing, exchange, completed, false},
	{"closing", spliced, endless6, someThenReset, Record{Cause: ClientReset}, false},
	{"client closed", both, echoing, exchange, completed, false},
	{"backend closed", both, echoing, exchange, completed, false},
	{"backend closed", spliced, echoingUnix, exchange, completed, false},
	{"both closed", spliced, echoing, exchange, completed, false},
	{"counted", spliced, echoing, exchange, completed, false},
	{"reported", spliced, echoing, exchange, completed, false},

	{"urgent sent", both, echoing, sendsUrgent, Record{Cause: Internal}, true},
}

// Whatever a process was doing when it was killed, the next one goes on: no byte is
// lost or doubled, every connection is counted and told of once, and no descriptor
// is left over.
func TestFaultAtEveryMoment(t *testing.T) {
	for _, m := range moments {
		for _, relay := range m.relays {
			backends := m.backends(t)
			name := fmt.Sprintf("%s/%d/%.5s", m.name, relay, backends[0])
			t.Run(name, func(t *testing.T) {
				l := newLine(t, orders{Workers: 1, Relay: relay, Backends: backends}, m.name)
				talked := l.talk(m.talk)
				l.stopped()
				carried := l.succeed("")
				m.judge(t, l, carried, talked)
			})
		}
	}
}

// The same for clients that speak MPTCP, which have no urgent bytes.
func TestFaultByMPTCP(t *testing.T) {
	for _, m := range moments {
		if m.reset || m.want.Up == faultBytes+1 {
			continue
		}
		for _, relay := range m.relays {
			backends := m.backends(t)
			t.Run(fmt.Sprintf("%s/%d/%.5s", m.name, relay, backends[0]), func(t *testing.T) {
				l := newLine(t, orders{Workers: 1, Relay: relay, Backends: backends, MPTCP: true}, m.name)
				talked := l.talk(m.talk)
				l.stopped()
				carried := l.succeed("")
				m.judge(t, l, carried, talked)
			})
		}
	}
}

// Where the kernel does not meter a TCP socket, TCP's own counts say what was read.
func TestFaultWithoutMeters(t *testing.T) {
	for _, name := range []string{"read", "read:6", "read counted:3", "written:6"} {
		t.Run(name, func(t *testing.T) {
			l := newLine(t, orders{Workers: 1, Relay: Copy, Backends: echoing(t), NoMeter: true}, name)
			talked := l.talk(exchange)
			l.stopped()
			carried := l.succeed("")
			(&moment{want: completed}).judge(t, l, carried, talked)
		})
	}
}

// talk has a client talk, and sends what comes of it.
func (l *line) talk(talk func(net.Conn) error) <-chan error {
	done := make(chan error, 1)
	network, address := "tcp", l.address.String()
	if l.orders.Unix != "" {
		network, address = "unix", l.orders.Unix
	}
	var d net.Dialer
	d.SetMultipathTCP(l.orders.MPTCP)
	c, err := d.Dial(network, address)
	testnet.Must(l.t, "dial", err)
	c.SetDeadline(time.Now().Add(20 * time.Second))
	l.t.Cleanup(func() { c.Close() })
	go func() { done <- talk(c) }()
	return done
}

// judge checks what became of the connection.
func (m *moment) judge(t *testing.T, l *line, carried Carried, talked <-chan error) {
	t.Helper()
	if m.reset != (carried.Reset == 1) || !m.reset && len(carried.Why) > 0 {
		t.Errorf("carried %+v", carried)
	}
	if err := <-talked; err != nil {
		t.Errorf("the client: %v", err)
	}
	s := l.idle()
	l.end()
	if len(l.records) != 1 {
		t.Fatalf("%d records: %+v", len(l.records), l.records)
	}
	r := l.records[0]
	if r.Cause != m.want.Cause || m.want.Up+m.want.Down > 0 && (r.Up != m.want.Up || r.Down != m.want.Down) {
		t.Errorf("record %+v", r)
	}
	if s.Accepted != 1 || s.Closed[fmt.Sprint(int(r.Cause))] != 1 || s.BytesUp != r.Up || s.BytesDown != r.Down {
		t.Errorf("stats %+v of record %+v", s, r)
	}
}

// A client that has gone away before a backend is connected is not taken for one
// that has finished.
func TestFaultWhenTheClientAborts(t *testing.T) {
	for _, mptcp := range []bool{false, true} {
		t.Run(fmt.Sprint(mptcp), func(t *testing.T) {
			l := newLine(t, orders{Workers: 1, Backends: []string{testnet.Silent(t)}, MPTCP: mptcp}, "client aborted")
			talked := l.talk(func(c net.Conn) error {
				testnet.Eventually(t, 30*time.Second, "it connects", func() bool { return l.stats().Active == 1 })
				return errors.Join(c.(*net.TCPConn).SetLinger(0), c.Close())
			})
			l.stopped()
			carried := l.succeed("")
			(&moment{want: Record{Cause: ClientAborted}}).judge(t, l, carried, talked)
		})
	}
}

// A process that is killed while it adopts, or when it has and nobody was told, has
// changed nothing: the next begins at the same place.
func TestFaultWhileAdopting(t *testing.T) {
	for _, name := range []string{"adopting", "adopted"} {
		t.Run(name, func(t *testing.T) {
			l := newLine(t, orders{Workers: 1, Backends: echoing(t)}, "spliced out:6")
			talked := l.talk(exchange)
			l.stopped()
			l.hold()
			book := l.book
			l.kill()
			l.book = book
			l.start(name)
			l.stopped()
			l.kill()
			l.book = book
			l.start("")
			l.ready()
			carried := l.begin()
			(&moment{want: completed}).judge(t, l, carried, talked)
		})
	}
}

// So has one that is killed when it has only begun to go on.
func TestFaultOnArrival(t *testing.T) {
	l := newLine(t, orders{Workers: 1, Backends: echoing(t)}, "spliced out:6")
	talked := l.talk(exchange)
	l.stopped()
	book := l.book
	l.hold()
	l.kill()
	l.book = book
	l.start("resumed")
	l.ready()
	fmt.Fprintln(l.in, "begin")
	l.stopped()
	carried := l.succeed("")
	(&moment{want: completed}).judge(t, l, carried, talked)
}

// A blob that was being written is what it was before.
func TestFaultWhileABlobIsWritten(t *testing.T) {
	l := newLine(t, orders{Workers: 1}, "blob written:3") // the first were the names
	var nothing any
	l.ask("save first", "saved", &nothing)
	fmt.Fprintln(l.in, "save second")
	l.stopped()
	l.succeed("")
	var blob string
	if l.ask("blob", "blob", &blob); blob != "first" {
		t.Errorf("the blob is %q", blob)
	}
	l.end()
}
