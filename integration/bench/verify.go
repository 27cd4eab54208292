package main

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"strconv"
	"sync"
	"time"

	"sluice/internal/testnet"
)

// What a proxy must get right before its numbers count. The client and the
// backend each send a stream that the other knows; what the backend saw is
// asked for past the proxy.
//
//	client ends first:   client ==stream==> FIN;  then backend ==stream==> FIN
//	backend ends first:  backend ==stream==> FIN;  then client ==stream==> FIN
//	both at once:        both streams together, then both FINs
const (
	clientFirst = iota
	backendFirst
	atOnce
	checkKinds
)

var checkNames = [checkKinds]string{
	"client half-closes first", "backend half-closes first", "both directions at once",
}

const (
	checkLength   = 3<<20 + 5
	checkPatience = 10 * time.Second
)

// tries is how often a check is made that failed once: some faults come only
// now and then, and whoever reads of them should know which do.
const tries = 3

// verify runs all the checks through the proxy at at, and joins what failed.
func verify(at, backend Place) error {
	var faults []error
	for kind := range checkKinds {
		once := func() error { return verifyOne(at.of(checks), backend.of(verdict), kind) }
		err := once()
		if err == nil {
			continue
		}
		failed := 1
		for range tries - 1 {
			if once() != nil {
				failed++
			}
		}
		faults = append(faults, fmt.Errorf("%s, %d of %d times: %w", checkNames[kind], failed, tries, err))
	}
	return errors.Join(faults...)
}

func verifyOne(proxy, judge string, kind int) error {
	id := rand.Uint64() | 1
	c, err := dialTCP(proxy)
	if err != nil {
		return err
	}
	defer c.Close()
	var head [16]byte
	binary.LittleEndian.PutUint64(head[:], uint64(kind))
	binary.LittleEndian.PutUint64(head[8:], id)
	if _, err := c.Write(head[:]); err != nil {
		return err
	}
	err = exchange(c, kind == clientFirst, kind == atOnce, testnet.Stream(id), testnet.Stream(id+1))
	if seen := askVerdict(judge, id); seen != "" {
		err = errors.Join(err, fmt.Errorf("backend: %s", seen))
	}
	return err
}

// exchange sends one stream and takes another, in the order asked for, and
// half-closes when it has sent.
func exchange(c *net.TCPConn, sendFirst, together bool, out, in testnet.Stream) error {
	send := func() error {
		if err := out.Send(c, checkLength); err != nil {
			return fmt.Errorf("send: %w", err)
		}
		return c.CloseWrite()
	}
	take := func() error {
		if err := in.Receive(c, checkLength); err != nil {
			return fmt.Errorf("receive: %w", err)
		}
		return nil
	}
	switch {
	case together:
		sent := make(chan error)
		go func() { sent <- send() }()
		return errors.Join(take(), <-sent)
	case sendFirst:
		return errors.Join(send(), take())
	default:
		return errors.Join(take(), send())
	}
}

func dialTCP(address string) (*net.TCPConn, error) {
	c, err := net.DialTimeout("tcp", address, checkPatience)
	if err != nil {
		return nil, err
	}
	c.SetDeadline(time.Now().Add(checkPatience))
	return c.(*net.TCPConn), nil
}

// askVerdict asks what the backend saw of exchange id: "" if all was right.
func askVerdict(address string, id uint64) string {
	c, err := dialTCP(address)
	if err != nil {
		return err.Error()
	}
	defer c.Close()
	var ask [8]byte
	binary.LittleEndian.PutUint64(ask[:], id)
	c.Write(ask[:])
	seen, err := io.ReadAll(c)
	if err != nil {
		return err.Error()
	}
	return string(seen)
}

// verdicts are what the backend has seen, by exchange.
type verdicts struct {
	mu   sync.Mutex
	seen map[uint64]chan string
}

func (v *verdicts) of(id uint64) chan string {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.seen[id] == nil {
		v.seen[id] = make(chan string, 1)
	}
	return v.seen[id]
}

// serveChecks serves the two services of verification until it is stopped.
func serveChecks(base int) (stop func(), err error) {
	var listeners []net.Listener
	stop = func() {
		for _, l := range listeners {
			l.Close()
		}
	}

	v := &verdicts{seen: map[uint64]chan string{}}
	for service, serve := range map[int]func(*net.TCPConn){checks: v.check, verdict: v.tell} {
		l, err := net.Listen("tcp4", net.JoinHostPort("0.0.0.0", strconv.Itoa(base+service)))
		if err != nil {
			stop()
			return nil, err
		}
		listeners = append(listeners, l)
		go func() {
			for {
				c, err := l.Accept()
				if err != nil {
					return
				}
				go func() {
					defer c.Close()
					c.SetDeadline(time.Now().Add(checkPatience))
					serve(c.(*net.TCPConn))
				}()
			}
		}()
	}
	return stop, nil
}

func (v *verdicts) check(c *net.TCPConn) {
	var head [16]byte
	if _, err := io.ReadFull(c, head[:]); err != nil {
		return // somebody's health check
	}
	kind := int(binary.LittleEndian.Uint64(head[:]))
	id := binary.LittleEndian.Uint64(head[8:])
	err := exchange(c, kind == backendFirst, kind == atOnce, testnet.Stream(id+1), testnet.Stream(id))
	text := ""
	if err != nil {
		text = err.Error()
	}
	v.of(id) <- text
}

func (v *verdicts) tell(c *net.TCPConn) {
	var ask [8]byte
	if _, err := io.ReadFull(c, ask[:]); err != nil {
		return
	}
	select {
	case text := <-v.of(binary.LittleEndian.Uint64(ask[:])):
		io.WriteString(c, text)
	case <-time.After(checkPatience):
		io.WriteString(c, "never saw the connection's end")
	}
}
