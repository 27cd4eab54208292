package integration

import (
	"context"
	"net"
	"testing"

	"golang.org/x/net/nettest"

	"sluice/internal/testnet"
)

// A connection with sluice in its middle is a connection like any other.
func TestConnectionThroughSluiceIsANetConn(t *testing.T) {
	overEveryPath(t, func(t *testing.T, p Path) {
		ends := make(chan net.Conn)
		front, _, _ := p.Serve(t, func(ctx context.Context, c testnet.Conn) {
			select {
			case ends <- c:
				<-ctx.Done()
			case <-ctx.Done():
			}
		}, nil)
		nettest.TestConn(t, func() (c1, c2 net.Conn, stop func(), err error) {
			network, at := testnet.Split(front)
			if c1, err = net.Dial(network, at); err != nil {
				return nil, nil, nil, err
			}
			c2 = <-ends
			return c1, c2, func() { c1.Close(); c2.Close() }, nil
		})
	})
}
