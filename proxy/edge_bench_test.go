package proxy

import (
	"crypto/tls"
	"io"
	"net"
	"testing"
	"time"

	"sluice/internal/testnet"
)

// BenchmarkEdge is what a listener costs that asks for nothing, beside one whose only
// route takes everybody and one that looks at every ClientHello: a connection with
// one exchange, and one exchange of a connection that is open. Client and backend
// are of the same process and cost the same for all.
func BenchmarkEdge(b *testing.B) {
	hello := testnet.HelloOf(b, &tls.Config{ServerName: "a.example.com", MaxVersion: tls.VersionTLS12})
	for _, edge := range []struct {
		name   string
		change func(*Listener, *Pool)
	}{
		{"none", nil},
		{"catch-all route", func(l *Listener, pool *Pool) { l.Routes = NewRoutes([]Route{{Pool: pool}}) }},
		{"route by name", func(l *Listener, pool *Pool) {
			l.Routes, l.InspectTimeout = NewRoutes([]Route{{SNI: []string{"*.example.com"}, Pool: pool}}), time.Minute
		}},
	} {
		s, err := New(Options{Workers: 1, Record: func(*Record) {}})
		testnet.Must(b, "make a server", err)
		testnet.Must(b, "publish", publish(s, edge.change, testnet.Start(b, "tcp4", testnet.Echo).Address))
		at := net.TCPAddrFromAddrPort(s.Bound("web")[0].TCP)
		b.Cleanup(func() { s.Shutdown(b.Context(), 0) })
		dial := func() *net.TCPConn {
			c, err := net.DialTCP("tcp", nil, at)
			testnet.Must(b, "connect", err)
			return c
		}
		exchange := func(c *net.TCPConn, back []byte) {
			c.Write(hello)
			_, err := io.ReadFull(c, back)
			testnet.Must(b, "exchange", err)
		}
		back := make([]byte, len(hello))
		b.Run("short/"+edge.name, func(b *testing.B) {
			for b.Loop() {
				c := dial()
				exchange(c, back)
				c.SetLinger(0)
				c.Close()
			}
		})
		b.Run("ping-pong/"+edge.name, func(b *testing.B) {
			c := dial()
			defer c.Close()
			for b.Loop() {
				exchange(c, back)
			}
		})
	}
}
