package proxy

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"testing"
	"time"

	"sluice/internal/testnet"
)

// An urgent byte neither ends nor damages the stream, and reaches the other
// side as urgent.
func TestUrgentByteIsCarried(t *testing.T) {
	for _, relay := range []Relay{Splice, Copy} {
		t.Run(fmt.Sprint(relay), func(t *testing.T) {
			got := make(chan []byte, 1)
			urgent := make(chan byte, 1)
			backend := listen(t, func(c *net.TCPConn) {
				head := make([]byte, 6)
				io.ReadFull(c, head)
				var b byte
				testnet.Until(5*time.Second, func() (ok bool) {
					var err error
					b, err = testnet.Urgent(c)
					return err == nil
				})
				urgent <- b
				rest, err := io.ReadAll(testnet.PastMarks(c))
				if err != nil {
					t.Error(err)
				}
				got <- append(head, rest...)
			})
			p := newPlane(t, func(l *Listener, _ *Pool) { l.Relay = relay }, backend)
			c := p.dial()
			c.Write([]byte("before"))
			testnet.SendUrgent(c, '!')
			if b := <-urgent; b != '!' {
				t.Errorf("urgent byte %q, want '!'", b)
			}
			after := bytes.Repeat([]byte("after"), 100_000)
			c.Write(after)
			testnet.SendUrgent(c, '?')
			c.Write([]byte("tail"))
			c.CloseWrite()
			want := append(append([]byte("before"), after...), "tail"...)
			if b := <-got; !bytes.Equal(b, want) {
				t.Errorf("got %d bytes, want %d", len(b), len(want))
			}
			c.CloseRead()
			if r := p.record(); r.Cause != Completed || r.Up != uint64(len(want)+2) {
				t.Errorf("record %+v", r)
			}
		})
	}
}
