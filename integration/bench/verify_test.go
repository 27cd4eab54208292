package main

import (
	"io"
	"net"
	"strings"
	"sync/atomic"
	"testing"
)

// checksBackend serves the checks on ports of its own and says where.
func checksBackend(t *testing.T) Place {
	t.Helper()
	for base := 18300; base < 18400; base += services {
		if stop, err := serveChecks(base); err == nil {
			t.Cleanup(stop)
			return Place{"127.0.0.1", base}
		}
	}
	t.Fatal("no free ports for the checks")
	return Place{}
}

// through listens as a proxy for the checks, and treats each pair of
// connections as asked.
func through(t *testing.T, backend Place, treat func(client, backend *net.TCPConn)) Place {
	t.Helper()
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			b, err := net.Dial("tcp4", backend.of(checks))
			if err != nil {
				c.Close()
				continue
			}
			go func() {
				defer c.Close()
				defer b.Close()
				treat(c.(*net.TCPConn), b.(*net.TCPConn))
			}()
		}
	}()
	return Place{"127.0.0.1", l.Addr().(*net.TCPAddr).Port - checks}
}

// pass moves one direction and half-closes.
func pass(to, from *net.TCPConn) {
	io.Copy(to, from)
	to.CloseWrite()
}

func TestVerificationSeesWhatAProxyDoesWrong(t *testing.T) {
	backend := checksBackend(t)
	both := func(client, backend *net.TCPConn, up, down func(to, from *net.TCPConn)) {
		done := make(chan struct{})
		go func() { up(backend, client); close(done) }()
		down(client, backend)
		<-done
	}
	var begun atomic.Int32
	for _, c := range []struct {
		name  string
		treat func(client, backend *net.TCPConn)
		want  []string // parts of the fault; none: there is no fault
	}{
		{"a good proxy", func(c, b *net.TCPConn) { both(c, b, pass, pass) }, nil},
		{"closes both at the first end", func(c, b *net.TCPConn) {
			done := make(chan struct{}, 2)
			go func() { io.Copy(b, c); done <- struct{}{} }()
			go func() { io.Copy(c, b); done <- struct{}{} }()
			<-done
		}, []string{checkNames[clientFirst], checkNames[backendFirst]}},
		{"changes a byte", func(c, b *net.TCPConn) {
			both(c, b, pass, func(to, from *net.TCPConn) {
				p := make([]byte, 1)
				io.ReadFull(from, p)
				to.Write([]byte{^p[0]})
				pass(to, from)
			})
		}, []string{"byte 0 of stream"}},
		{"fails once", func(c, b *net.TCPConn) {
			if begun.Add(1) > 1 {
				both(c, b, pass, pass)
			}
		}, []string{checkNames[clientFirst] + ", 1 of 3 times"}},
		{"drops the last byte upward", func(c, b *net.TCPConn) {
			both(c, b, func(to, from *net.TCPConn) {
				io.CopyN(to, from, 16+checkLength-1)
				io.Copy(io.Discard, from)
				to.CloseWrite()
			}, pass)
		}, []string{"backend: receive: ended after 3145732 of 3145733 bytes"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			err := verify(through(t, backend, c.treat), backend)
			if c.want == nil {
				if err != nil {
					t.Errorf("got fault %v, want none", err)
				}
				return
			}
			for _, part := range c.want {
				if err == nil || !strings.Contains(err.Error(), part) {
					t.Errorf("got fault %v, want one with %q", err, part)
				}
			}
		})
	}
}
