package proxy

import (
	"io"
	"net"
	"testing"
	"time"

	"sluice/internal/sys"
	"sluice/internal/testnet"
)

// What was taken from a socket is told by the kernel to the byte in whatever state
// it is, but for one that was reset.
func TestTaken(t *testing.T) {
	const sent = 1000
	for _, test := range []struct {
		name        string
		ours, other bool // who has shut its side, we first
		reset       bool
	}{
		{name: "established"},
		{name: "we have shut", ours: true},
		{name: "the other has shut", other: true},
		{name: "both have", ours: true, other: true},
		{name: "reset", other: true, reset: true},
	} {
		t.Run(test.name, func(t *testing.T) {
			own, other := tcpPair(t)
			raw, err := own.SyscallConn()
			testnet.Must(t, "the descriptor", err)
			tells := func(want uint64) {
				t.Helper()
				raw.Control(func(fd uintptr) {
					n, err := taken(int(fd))
					if err != nil || n != want {
						t.Errorf("%d taken, %v; want %d", n, err, want)
					}
				})
			}
			if test.ours {
				testnet.Must(t, "shutting", own.CloseWrite())
				_, err := io.Copy(io.Discard, other)
				testnet.Must(t, "reading the end", err)
			}
			other.Write(make([]byte, sent))
			if test.reset {
				other.SetLinger(0)
				other.Close()
			} else if test.other {
				testnet.Must(t, "shutting", other.CloseWrite())
			}
			raw.Control(func(fd uintptr) {
				testnet.Eventually(t, 30*time.Second, "all of it has come", func() bool {
					f, _ := sys.TCP(int(fd))
					return sys.Unread(int(fd)) == sent && (f.Received > sent) == (test.other && !test.reset)
				})
			})
			if test.reset {
				raw.Control(func(fd uintptr) {
					testnet.Eventually(t, 30*time.Second, "it is reset", func() bool { return sys.Failed(int(fd)) })
					if n, err := taken(int(fd)); err == nil {
						t.Errorf("%d taken of one that was reset; want an error", n)
					}
				})
				return // whether a FIN came before it is not known
			}
			tells(0)
			io.ReadFull(own, make([]byte, 400))
			tells(400)
			io.ReadFull(own, make([]byte, sent-400))
			tells(sent)
			if test.other {
				if n, err := own.Read(make([]byte, 1)); err != io.EOF {
					t.Fatalf("%d, %v read, want the end", n, err)
				}
				tells(sent)
			}
		})
	}
}

func tcpPair(t *testing.T) (own, other *net.TCPConn) {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	testnet.Must(t, "listening", err)
	defer l.Close()
	c, err := net.Dial("tcp4", l.Addr().String())
	testnet.Must(t, "connecting", err)
	s, err := l.Accept()
	testnet.Must(t, "accepting", err)
	t.Cleanup(func() { c.Close(); s.Close() })
	return c.(*net.TCPConn), s.(*net.TCPConn)
}
