package testnet

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"testing"
	"time"
)

func overEachNetwork(t *testing.T, f func(t *testing.T, network string)) {
	for _, network := range []string{"tcp4", "tcp6", "unix"} {
		t.Run(network, func(t *testing.T) {
			Leaks(t)
			f(t, network)
		})
	}
}

func TestEchoReturnsEveryByteAndFinishes(t *testing.T) {
	overEachNetwork(t, func(t *testing.T, network string) {
		c := Dial(t, Start(t, network, Echo).Address)
		go func() {
			Stream(1).Send(c, 1<<20)
			c.CloseWrite()
		}()
		Must(t, "echo", Stream(1).Receive(c, 1<<20))
	})
}

func TestSourceSendsTheStream(t *testing.T) {
	overEachNetwork(t, func(t *testing.T, network string) {
		c := Dial(t, Start(t, network, Source(2, 5000)).Address)
		Must(t, "receive", Stream(2).Receive(c, 5000))
	})
}

func TestRespondAnswersAfterTheEndOfTheRequest(t *testing.T) {
	overEachNetwork(t, func(t *testing.T, network string) {
		got := make(chan error, 1)
		c := Dial(t, Start(t, network, Respond(3, 100_000, 200_000, func(err error) { got <- err })).Address)
		Must(t, "send", Stream(3).Send(c, 100_000))
		Must(t, "close write", c.CloseWrite())
		Must(t, "receive", Stream(3).Receive(c, 200_000))
		Must(t, "the request", <-got)
	})
}

func TestRespondReportsADamagedRequest(t *testing.T) {
	got := make(chan error, 1)
	c := Dial(t, Start(t, "tcp4", Respond(3, 10, 10, func(err error) { got <- err })).Address)
	c.Write([]byte("0123456789"))
	c.CloseWrite()
	if err := <-got; err == nil {
		t.Error("got nil for a request of other bytes")
	}
}

func TestGreetSpeaksFirst(t *testing.T) {
	overEachNetwork(t, func(t *testing.T, network string) {
		c := Dial(t, Start(t, network, Greet("220 hello\r\n")).Address)
		p := make([]byte, 11)
		if _, err := io.ReadFull(c, p); err != nil || string(p) != "220 hello\r\n" {
			t.Errorf("got %q, %v", p, err)
		}
		_, err := Exchange(c, 4, 1000)
		Must(t, "echo after it", err)
	})
}

func TestResetAfterDeliversTheBytesThenResets(t *testing.T) {
	for _, network := range []string{"tcp4", "tcp6"} {
		c := Dial(t, Start(t, network, ResetAfter(5, 20_000)).Address)
		c.Write([]byte("?"))
		err := Stream(5).Receive(c, 20_000)
		if !IsReset(err) || fmt.Sprint(err)[:len("after 20000 ")] != "after 20000 " {
			t.Errorf("%s: got %v, want a reset after 20000 bytes", network, err)
		}
	}
}

func TestBlackholeNeverReads(t *testing.T) {
	overEachNetwork(t, func(t *testing.T, network string) {
		c := Dial(t, Start(t, network, Blackhole).Address)
		c.SetDeadline(time.Now().Add(100 * time.Millisecond))
		err := Stream(0).Send(c, 1<<30)
		if !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("got %v, want that 1 GiB is not taken", err)
		}
	})
}

func TestRefusingRefusesAndSilentIsSilent(t *testing.T) {
	if _, err := TryDial(Refusing(t), time.Second); err == nil {
		t.Error("Refusing accepted")
	}
	_, err := TryDial(Silent(t), 300*time.Millisecond)
	var e net.Error
	if !errors.As(err, &e) || !e.Timeout() {
		t.Errorf("Silent: got %v, want a timeout", err)
	}
}

func TestUrgentByteIsOutOfBand(t *testing.T) {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	Must(t, "listen", err)
	defer l.Close()
	a := Dial(t, l.Addr().String())
	s, err := l.Accept()
	Must(t, "accept", err)
	defer s.Close()
	b := s.(Conn)
	a.Write([]byte("12"))
	Must(t, "send urgent", SendUrgent(a, '!'))
	a.Write([]byte("34"))
	a.CloseWrite()
	// Reading past the mark forgets the urgent byte: it is asked for first.
	var u byte
	Eventually(t, 30*time.Second, "the urgent byte is there", func() bool { u, err = Urgent(b); return err == nil })
	if u != '!' {
		t.Errorf("got urgent %q", u)
	}
	p, err := io.ReadAll(b)
	if string(p) != "1234" || err != nil {
		t.Errorf("got %q, %v, want the normal bytes only", p, err)
	}
}

func TestStopLeavesNothingBehind(t *testing.T) {
	overEachNetwork(t, func(t *testing.T, network string) {
		p := Start(t, network, Echo)
		for range 20 {
			Dial(t, p.Address)
		}
		Eventually(t, 30*time.Second, "20 connections are accepted", func() bool { return p.Accepted() == 20 })
		p.Stop()
		if n := p.Open(); n != 0 {
			t.Errorf("%d connections are open after Stop", n)
		}
	})
}
