package main

import (
	"context"
	"encoding/binary"
	"io"
	"math"
	"math/rand/v2"
	"net"
	"net/netip"
	"time"
)

// crowd is clients of one kind.
type crowd struct {
	to       string
	clients  int
	requests int           // on a connection, about
	bytes    float64       // of an answer, about
	thinks   time.Duration // between requests, about
	rests    time.Duration // between connections, about
	tide     time.Duration // they come and go in waves of this length
}

var crowds = []crowd{
	{to: "203.0.113.10:443", clients: 14, requests: 6, bytes: 90e3, thinks: 300 * time.Millisecond, rests: 400 * time.Millisecond, tide: 100 * time.Second},
	{to: "203.0.113.10:80", clients: 6, requests: 400, bytes: 40e3, thinks: 900 * time.Millisecond, rests: time.Second, tide: 5 * time.Minute},
	{to: "203.0.113.10:5432", clients: 12, requests: 100_000, bytes: 2e3, thinks: 700 * time.Millisecond, rests: time.Second, tide: 4 * time.Minute},
	{to: "203.0.113.10:8080", clients: 12, requests: 3, bytes: 15e3, thinks: 200 * time.Millisecond, rests: 500 * time.Millisecond, tide: 70 * time.Second},
}

// traffic makes all crowds come, until ctx is done.
func traffic(ctx context.Context) {
	began := time.Now()
	for i, c := range crowds {
		for j := range c.clients {
			r := rand.New(rand.NewPCG(uint64(i), uint64(j)))
			go func() {
				for ctx.Err() == nil {
					pause(ctx, about(r, c.rests))
					c.visit(ctx, r, began)
				}
			}()
		}
	}
}

func about(r *rand.Rand, d time.Duration) time.Duration {
	return time.Duration(r.ExpFloat64() * float64(d))
}

// visit is one connection.
func (c *crowd) visit(ctx context.Context, r *rand.Rand, began time.Time) {
	from := netip.AddrFrom4([4]byte{198, 51, 100, byte(1 + r.IntN(250))})
	conn, err := (&net.Dialer{LocalAddr: net.TCPAddrFromAddrPort(netip.AddrPortFrom(from, 0))}).DialContext(ctx, "tcp", c.to)
	if err != nil {
		return
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	for range 1 + int(r.ExpFloat64()*float64(c.requests)) {
		high := 0.6 + 0.4*math.Sin(2*math.Pi*time.Since(began).Seconds()/c.tide.Seconds())
		var request [8]byte
		n := int64(c.bytes * high * math.Exp(r.NormFloat64()))
		binary.BigEndian.PutUint64(request[:], uint64(n))
		if _, err := conn.Write(request[:]); err != nil {
			return
		}
		if _, err := io.CopyN(io.Discard, conn, n); err != nil {
			return
		}
		pause(ctx, about(r, time.Duration(float64(c.thinks)/(0.3+high))))
	}
}
