//go:build fault

package proxy

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	proxyproto "github.com/pires/go-proxyproto"

	"sluice/internal/testnet"
)

const edgeClient = "192.0.2.7:4711"

// greeted is a backend that wants one PROXY header, and echoes all behind it.
func greeted(t *testing.T, network string) string {
	return strings.TrimPrefix(testnet.Start(t, network, func(_ context.Context, c testnet.Conn) {
		c.SetDeadline(time.Now().Add(20 * time.Second))
		r := bufio.NewReader(c)
		h, err := proxyproto.Read(r)
		if err != nil || h.SourceAddr.String() != edgeClient {
			fmt.Fprintf(c, "a header of %+v, %v", h, err) // the client will see that it is not what it sent
			return
		}
		io.Copy(struct{ io.Writer }{c}, struct{ io.Reader }{r})
		c.CloseWrite()
	}).Address, "unix:")
}

// edgeTalk says whose connection it is, begins as a TLS client does, and goes on as
// exchange does.
func edgeTalk(hello []byte) func(net.Conn) error {
	return func(c net.Conn) error {
		said := append(headerOf(edgeClient, "198.51.100.1:443", 2, 0xea, 0, 2, 'h', 'i'), hello...)
		for _, part := range [][]byte{said[:20], said[20:60], said[60:300], said[300:]} {
			if _, err := c.Write(part); err != nil {
				return err
			}
		}
		back := make([]byte, len(hello))
		if _, err := io.ReadFull(c, back); err != nil || !bytes.Equal(back, hello) {
			return fmt.Errorf("the ClientHello came back as %q: %v", back, err)
		}
		return exchange(c)
	}
}

// What was learned of a connection before its first byte is not lost with the
// process, and is said to the backend once.
func TestFaultAtEveryMomentOfTheEdge(t *testing.T) {
	hello := helloOf(t, "a.example", "h2")
	n := uint64(faultBytes + len(hello))
	for _, c := range []struct {
		moment  string
		relay   Relay
		network string
	}{
		{"accepted", Splice, "tcp4"}, {"slot taken", Splice, "tcp4"}, {"conn noted", Splice, "tcp4"},
		{"header noted", Splice, "tcp4"}, {"header taken", Splice, "tcp4"}, {"inspected", Splice, "tcp4"},
		{"backend noted", Splice, "tcp4"}, {"connect begun", Splice, "tcp4"}, {"connect done", Splice, "tcp4"},
		{"greeting noted", Splice, "tcp4"}, {"greeting sent", Splice, "tcp4"},
		{"greeting noted", Splice, "unix"}, {"greeting sent", Splice, "unix"}, {"relaying", Splice, "unix"},
		{"relaying", Splice, "tcp4"}, {"spliced in", Splice, "tcp4"}, {"spliced out", Splice, "tcp4"}, {"spliced out:6", Splice, "tcp4"},
		{"moved counted:3", Splice, "tcp4"}, {"pipe let go:3", Splice, "tcp4"},
		{"read", Copy, "tcp4"}, {"read:6", Copy, "tcp4"}, {"written", Copy, "tcp4"}, {"written:6", Copy, "tcp4"}, {"written counted:3", Copy, "tcp4"},
		{"shut", Splice, "tcp4"}, {"closing", Splice, "tcp4"}, {"client closed", Splice, "tcp4"}, {"both closed", Splice, "tcp4"},
		{"counted", Splice, "tcp4"}, {"reported", Splice, "tcp4"},
	} {
		for _, mptcp := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s/%d/%s/%v", c.moment, c.relay, c.network, mptcp), func(t *testing.T) {
				l := newLine(t, orders{Workers: 1, Relay: c.relay, Edge: true, Backends: []string{greeted(t, c.network)}, MPTCP: mptcp}, c.moment)
				talked := l.talk(edgeTalk(hello))
				l.stopped()
				carried := l.succeed("")
				m := moment{want: Record{Cause: Completed, Up: n, Down: n}}
				m.judge(t, l, carried, talked)
				if r := l.records[0]; r.Client.String() != edgeClient || !r.Peer.Addr().IsLoopback() || r.SNI != "a.example" || !r.Routed {
					t.Errorf("record %+v", r)
				}
			})
		}
	}
}

// How far the header of a unix client was taken is known, whatever is behind it:
// here another header, or the same again, as payload.
func TestFaultWhileAUnixClientsHeaderIsTaken(t *testing.T) {
	header := headerOf(edgeClient, "198.51.100.1:443", 2)
	for _, name := range []string{"header metered", "header noted", "header taken", "header unmetered"} {
		for what, payload := range map[string][]byte{"another": headerOf("192.0.2.8:4711", "198.51.100.1:443", 2), "the same": header} {
			t.Run(name+"/"+what, func(t *testing.T) {
				l := newLine(t, orders{Workers: 1, Backends: echoing(t), Header: true, Unix: testnet.SocketPath(t)}, name)
				talked := l.talk(func(c net.Conn) error {
					c.Write(append(bytes.Clone(header), payload...))
					back := make([]byte, len(payload))
					if _, err := io.ReadFull(c, back); err != nil || !bytes.Equal(back, payload) {
						return fmt.Errorf("the payload came back as %q: %v", back, err)
					}
					return exchange(c)
				})
				l.stopped()
				carried := l.succeed("")
				n := uint64(faultBytes + len(payload))
				(&moment{want: Record{Cause: Completed, Up: n, Down: n}}).judge(t, l, carried, talked)
				if r := l.records[0]; r.Client.String() != edgeClient || r.Peer.IsValid() {
					t.Errorf("record %+v", r)
				}
			})
		}
	}
}
