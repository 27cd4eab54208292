package health

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"syscall"
	"time"

	"github.com/pires/go-proxyproto"

	"sluice/config"
)

// talk is a probe's conversation with a backend. All of it is to be done by
// the probe's deadline, which its reads and writes obey by themselves.
type talk struct {
	net.Conn
	to      config.Address
	within  time.Duration
	end     time.Time
	doing   string // what an error of the connection came in the midst of
	warning error  // the backend is well, but this is to be said
}

// verdict is what a probe says itself of a backend that is not well; any other
// error is one of the connection and is told with what was being done.
type verdict string

func (v verdict) Error() string { return string(v) }

// talking makes a probe of a conversation.
func talking(h config.Health, say func(t *talk) error) probe {
	return func(ctx context.Context, a config.Address, timeout time.Duration) error {
		t := &talk{to: a, within: timeout, end: time.Now().Add(timeout)}
		err := t.connect(ctx)
		if err == nil {
			defer t.Close()
			defer context.AfterFunc(ctx, func() { t.SetDeadline(time.Unix(1, 0)) })()
			if h.SendProxy {
				err = t.sendLocal()
			}
			if err == nil {
				err = say(t)
			}
		}
		switch {
		case err == nil && t.warning != nil:
			return warning{t.warning}
		case err == nil:
			return nil
		case ctx.Err() != nil:
			return unasked{ctx.Err()}
		}
		return t.tell(err)
	}
}

// dialer keeps nothing alive: a probe's connection is over before that matters.
var dialer = net.Dialer{KeepAlive: -1}

func (t *talk) connect(ctx context.Context) error {
	t.doing = fmt.Sprintf("connect %v", t.to)
	ctx, cancel := context.WithDeadline(ctx, t.end)
	defer cancel()
	network, to := "tcp", t.to.TCP.String()
	if t.to.Unix != "" {
		network, to = "unix", t.to.Unix
	}
	full := false // the queue of a unix socket
	for {
		c, err := dialer.DialContext(ctx, network, to)
		var errno syscall.Errno
		var call *os.SyscallError
		switch {
		case err == nil:
			t.Conn = c
			return c.SetDeadline(t.end)
		case full && !time.Now().Before(t.end):
			return verdict(fmt.Sprintf("connect %v: queue full for %v", t.to, t.within))
		case !errors.As(err, &errno):
			return err
		case errors.As(err, &call) && call.Syscall == "socket":
			return unasked{call}
		case errno != syscall.EAGAIN || t.to.Unix == "":
			err := connectError(t.to, errno)
			if _, ok := err.(unasked); !ok {
				err = verdict(err.Error())
			}
			return err
		}
		full = true // see insist
		select {
		case <-ctx.Done():
		case <-time.After(askAgain):
		}
	}
}

// sendLocal begins with the header that says that nobody is being proxied.
func (t *talk) sendLocal() error {
	t.doing = "PROXY header"
	_, err := (&proxyproto.Header{Version: 2, Command: proxyproto.LOCAL, TransportProtocol: proxyproto.UNSPEC}).WriteTo(t)
	return err
}

// tell is an error in words for people.
func (t *talk) tell(err error) error {
	var v verdict
	var u unasked
	var late net.Error
	var errno syscall.Errno
	words := err.Error()
	switch {
	case errors.As(err, &v), errors.As(err, &u):
		return err
	case errors.As(err, &late) && late.Timeout():
		words = fmt.Sprintf("no answer within %v", t.within)
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, syscall.EPIPE):
		words = "it closed the connection"
	case errors.As(err, &errno):
		words = errno.Error()
	}
	return fmt.Errorf("%s: %s", t.doing, words)
}

// partFor is how long a probe that has its answer waits for the other side to
// close.
const partFor = 100 * time.Millisecond

// part ends a conversation as a client does that is done: nothing is left
// unread, which would make a reset of the close, and the backend has closed too
// unless it dawdles.
func (t *talk) part() {
	if c, ok := t.Conn.(interface{ CloseWrite() error }); ok && c.CloseWrite() != nil {
		return
	}
	if soon := time.Now().Add(partFor); soon.Before(t.end) {
		t.SetDeadline(soon)
	}
	io.Copy(io.Discard, io.LimitReader(t.Conn, mostRead))
}

// mostRead bounds what a probe takes of an answer, in bytes.
const mostRead = 64 << 10
