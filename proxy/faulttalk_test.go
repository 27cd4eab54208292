//go:build fault

package proxy

import (
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"sluice/internal/testnet"
)

// What a case exchanges: more than a pipe holds.
const faultBytes = 3 << 20

func echoing(t *testing.T) []string {
	return []string{testnet.Start(t, "tcp4", testnet.Echo).Address}
}

func echoingUnix(t *testing.T) []string {
	return []string{strings.TrimPrefix(testnet.Start(t, "unix", testnet.Echo).Address, "unix:")}
}

func refusingFirst(t *testing.T) []string {
	return append([]string{testnet.Refusing(t)}, echoing(t)...)
}

func serving7Unix(t *testing.T) []string {
	return []string{strings.TrimPrefix(testnet.Start(t, "unix", testnet.Source(7, faultBytes)).Address, "unix:")}
}

func resetting5(t *testing.T) []string {
	return []string{testnet.Start(t, "tcp4", testnet.ResetAfter(5, faultBytes)).Address}
}

func endless6(t *testing.T) []string {
	return []string{testnet.Start(t, "tcp4", testnet.Endless(6)).Address}
}

// exchange is exchangeAll of what a case exchanges.
func exchange(c net.Conn) error { return exchangeAll(c, 1, faultBytes) }

// untilReset reads all of what ResetAfter sends.
func untilReset(c net.Conn) error {
	if _, err := c.Write([]byte("!")); err != nil {
		return err
	}
	v := testnet.Verifier{Stream: 5}
	if _, err := io.Copy(&v, c); !testnet.IsReset(err) {
		return fmt.Errorf("after %d bytes: %v, not a reset", v.N, err)
	}
	if v.N != faultBytes {
		return fmt.Errorf("reset after %d bytes of %d", v.N, faultBytes)
	}
	return nil
}

// someThenReset reads a part of an endless stream.
func someThenReset(c net.Conn) error {
	if err := testnet.Stream(6).Receive(io.LimitReader(c, faultBytes), faultBytes); err != nil {
		return err
	}
	return errors.Join(c.(*net.TCPConn).SetLinger(0), c.Close())
}

// fullThenReset goes away when it has not read for so long that nothing more comes.
func fullThenReset(c net.Conn) error {
	unread := func() int { return testnet.Unread(c.(testnet.Conn)) }
	if _, still := testnet.UntilStill(time.Minute, 100*time.Millisecond, unread); !still {
		return errors.New("more and more comes, though nothing is read")
	}
	return errors.Join(c.(*net.TCPConn).SetLinger(0), c.Close())
}

// receive7 reads all that a backend sends.
func receive7(c net.Conn) error {
	if err := testnet.Stream(7).Receive(c, faultBytes); err != nil {
		return err
	}
	return c.(testnet.Conn).CloseWrite()
}

// exchangeUrgent is exchange with an urgent byte behind the first bytes, which does
// not come back.
func exchangeUrgent(c net.Conn) error {
	first := make([]byte, 1000)
	testnet.Stream(1).Fill(first, 0)
	if _, err := c.Write(first); err != nil {
		return err
	}
	if err := testnet.SendUrgent(c.(testnet.Conn), '!'); err != nil {
		return err
	}
	sent := make(chan error, 1)
	go func() {
		rest := make([]byte, faultBytes-len(first))
		testnet.Stream(1).Fill(rest, int64(len(first)))
		_, err := c.Write(rest)
		sent <- errors.Join(err, c.(testnet.Conn).CloseWrite())
	}()
	return errors.Join(testnet.Stream(1).Receive(c, faultBytes), <-sent)
}

// sendsUrgent meets a reset.
func sendsUrgent(c net.Conn) error {
	if err := testnet.SendUrgent(c.(testnet.Conn), '!'); err != nil {
		return err
	}
	if _, err := io.Copy(io.Discard, c); !testnet.IsReset(err) {
		return fmt.Errorf("%v, not a reset", err)
	}
	return nil
}
