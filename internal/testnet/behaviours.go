package testnet

import (
	"bufio"
	"context"
	"io"
	"net"
	"time"
)

// Echo sends back what it receives and finishes when the other side has.
func Echo(_ context.Context, c Conn) {
	if _, err := io.CopyBuffer(struct{ io.Writer }{c}, struct{ io.Reader }{c}, make([]byte, 64<<10)); err == nil {
		c.CloseWrite()
	}
}

// Discard reads until the other side finishes.
func Discard(_ context.Context, c Conn) { drain(c) }

// Source sends n bytes of s, finishes, and waits until the other side has.
func Source(s Stream, n int64) Behaviour {
	return func(_ context.Context, c Conn) {
		if s.Send(c, n) == nil {
			c.CloseWrite()
			drain(c)
		}
	}
}

// Endless sends bytes of s for as long as they are taken.
func Endless(s Stream) Behaviour {
	return func(_ context.Context, c Conn) { s.Send(c, 1<<62) }
}

// Respond reads until the other side has finished, and then sends n bytes of
// s. got is told how the request compared with its first want bytes, as an
// error or nil.
func Respond(s Stream, want, n int64, got func(error)) Behaviour {
	return func(_ context.Context, c Conn) {
		err := s.Receive(c, want)
		if err == nil {
			if err = s.Send(c, n); err == nil {
				err = c.CloseWrite()
			}
		}
		if got != nil {
			got(err)
		}
	}
}

// Greet speaks first, as SMTP, SSH and MySQL servers do, and then echoes.
func Greet(greeting string) Behaviour {
	return func(ctx context.Context, c Conn) {
		if _, err := io.WriteString(c, greeting); err == nil {
			Echo(ctx, c)
		}
	}
}

// Name sends name and closes. It shows which backend answered.
func Name(name string) Behaviour {
	return func(_ context.Context, c Conn) {
		io.WriteString(c, name)
		c.CloseWrite()
		drain(c)
	}
}

// Lines answers each line with the same line.
func Lines(_ context.Context, c Conn) {
	r := bufio.NewReader(c)
	for {
		line, err := r.ReadBytes('\n')
		if err != nil {
			return
		}
		if _, err := c.Write(line); err != nil {
			return
		}
	}
}

// ResetAfter waits for a byte, sends k bytes of s and resets. Without the wait
// the reset could overtake the end of the other side's connect.
func ResetAfter(s Stream, k int64) Behaviour {
	return func(_ context.Context, c Conn) {
		if _, err := io.ReadFull(c, make([]byte, 1)); err == nil && s.Send(c, k) == nil {
			Reset(c)
		}
	}
}

// Blackhole accepts and never reads.
func Blackhole(ctx context.Context, c Conn) { <-ctx.Done() }

// drain reads to the end through a small buffer of its own. It does not use
// io.Discard's ReadFrom: thousands of peers share its buffers.
func drain(c net.Conn) {
	buf := make([]byte, 4<<10)
	for {
		if _, err := c.Read(buf); err != nil {
			return
		}
	}
}

// Exchange sends n bytes of s over c and expects them back, and returns how
// long that took.
func Exchange(c Conn, s Stream, n int64) (time.Duration, error) {
	start := time.Now()
	sent := make(chan error, 1)
	go func() { sent <- s.Send(c, n) }()
	err := s.Receive(io.LimitReader(c, n), n)
	if err != nil {
		c.Close() // a send that cannot go on must not keep us
	}
	if e := <-sent; err == nil {
		err = e
	}
	return time.Since(start), err
}
