package proxy

import (
	"encoding/json"
	"net"
	"slices"
	"strings"
	"testing"

	"sluice/internal/testnet"
)

// rewriteLayout makes the book of a server that has stopped that of another program.
func rewriteLayout(t *testing.T, s *Server, change func(*layout)) {
	t.Helper()
	h, memory := s.book.header(), s.book.memory
	var l layout
	testnet.Must(t, "read the layout", json.Unmarshal(memory[layoutAt:layoutAt+int(h.layout)], &l))
	change(&l)
	h.layout = uint32(copy(memory[layoutAt:directoryAt], l.encode()))
}

// withoutCards makes a book what it was before there were cards, and conns that are
// inspected.
func withoutCards(l *layout) {
	delete(l.Sections, "card")
	delete(l.Sizes, "card")
	delete(l.Fields, "card")
	delete(l.Names, "stage")
	phases := l.Names["phase"]
	for i, name := range phases {
		if name == "inspecting" {
			l.Names["phase"] = append(phases[:i:i], "?")
			l.Names["phase"] = append(l.Names["phase"], phases[i+1:]...)
		}
	}
}

// bequeath is a plane of an echo whose server has stopped with one connection and left
// a book of another program.
func bequeath(t *testing.T, change func(*layout)) (p *plane, c *net.TCPConn, echo string) {
	t.Helper()
	echo = testnet.Start(t, "tcp4", testnet.Echo).Address
	p = newPlane(t, nil, echo)
	c = p.dial()
	_, err := testnet.Exchange(c, 2, 100)
	testnet.Must(t, "exchange", err)
	p.Pause()
	rewriteLayout(t, p.Server, change)
	return p, c, echo
}

// A book of a program that had no cards is read: its connections go on, and it is
// said that nothing is known of what a card would say.
func TestABookWithoutCardsIsTakenOver(t *testing.T) {
	p, c, echo := bequeath(t, withoutCards)
	routes := func(l *Listener, pool *Pool) { l.Routes = NewRoutes([]Route{{SNI: []string{"*"}, Pool: pool}}) }
	carried := p.succeed(p.Server, routes, []string{echo})
	if carried.Connections != 1 || carried.Reset != 0 || !slices.Equal(carried.Why, []string{"cards were not kept by the process before"}) {
		t.Fatalf("carried %+v", carried)
	}
	_, err := testnet.Exchange(c, 2, 100_000)
	testnet.Must(t, "exchange when it has come over", err)
	c.Close()
	if r := p.record(); r.Cause != Completed || r.SNI != "" || r.Routed || r.Up < 100_000 {
		t.Errorf("record %+v", r)
	}
}

// Where the fields mean something else, nothing is guessed: the connections are
// reset, and it is said why.
func TestABookOfAnotherVersionIsRefused(t *testing.T) {
	p, c, echo := bequeath(t, func(l *layout) { l.Version++ })
	carried := p.succeed(p.Server, nil, []string{echo})
	if carried.Connections != 0 || carried.Reset != 1 || !slices.Contains(carried.Why, "without version 1 of the book no connection can be carried") {
		t.Errorf("carried %+v", carried)
	}
	if _, err := c.Read(make([]byte, 1)); !testnet.IsReset(err) {
		t.Errorf("got %v, want a reset", err)
	}
	isServed(t, "who comes to the new one", p.asks("127.0.0.2"))
}

// TestWhatProgramsBeforeNeedIsKept, or they could not go on when a new one fails: a field
// leaves only with layoutVersion.
func TestWhatProgramsBeforeNeedIsKept(t *testing.T) {
	const needed = "conn.generation conn.client conn.backend conn.listener conn.backendID conn.phase conn.flags" +
		" conn.up.Flow.bits conn.up.Flow.pending conn.up.carrier conn.up.moved" +
		" conn.down.Flow.bits conn.down.Flow.pending conn.down.carrier conn.down.moved pipe.r pipe.w" +
		" card.taken card.sent card.stage card.waiting card.family card.nameSize card.alpnSize card.tlvSize card.admitted" +
		" card.source card.destination card.sourcePort card.destinationPort card.unique card.name card.alpn card.rest"
	keeps := BookKeeps()
	for _, name := range strings.Fields(needed) {
		if !slices.Contains(keeps, name) {
			t.Errorf("%s is not kept", name)
		}
	}
	if layoutVersion != 1 {
		t.Errorf("version %d: they are refused, and the list begins anew", layoutVersion)
	}
}
