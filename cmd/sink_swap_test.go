package cmd

import (
	"testing"
	"testing/synctest"
	"time"
)

func TestSinkSwapKeepsEveryLine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		before, after := &disk{room: -1}, &disk{room: -1}
		var r told
		s := newSink(before, r.complain, r.recover)
		s.put([]byte("before\n"), false)
		s.swap(after)
		s.put([]byte("after\n"), false)
		s.close()
		if got, want := before.String(), "before\n"; got != want {
			t.Errorf("old output %q, want %q", got, want)
		}
		if got, want := after.String(), "after\n"; got != want {
			t.Errorf("new output %q, want %q", got, want)
		}
		if !before.closed || !after.closed {
			t.Errorf("closed: old %v, new %v, want both", before.closed, after.closed)
		}
	})
}

func TestSinkSwapDoesNotCutAWriteShort(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		before, after := &disk{room: 2, stuck: make(chan struct{})}, &disk{room: -1}
		var r told
		s := newSink(before, r.complain, r.recover)
		s.put([]byte("torn\n"), true)
		synctest.Wait() // the writer holds it
		s.swap(after)   // gives up waiting
		if before.closed {
			t.Error("the output was closed before its write had ended")
		}
		close(before.stuck)
		synctest.Wait()
		s.put([]byte("after\n"), true)
		s.close()
		if got, want := before.String(), "to"; got != want {
			t.Errorf("old output %q, want %q", got, want)
		}
		if got, want := after.String(), "after\n"; got != want {
			t.Errorf("new output %q, want %q: it does not begin in the middle of a line", got, want)
		}
		if !before.closed || before.cut || !after.closed {
			t.Errorf("closed: old %v, cut short %v, new %v, want both and nothing cut", before.closed, before.cut, after.closed)
		}
	})
}

func TestSinkSwappedTwiceWhileStuckUsesTheLast(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		before, unused, after := &disk{room: -1, stuck: make(chan struct{})}, &disk{room: -1}, &disk{room: -1}
		var r told
		s := newSink(before, r.complain, r.recover)
		s.put([]byte("before\n"), true)
		synctest.Wait()
		s.swap(unused)
		s.swap(after)
		close(before.stuck)
		synctest.Wait()
		s.put([]byte("after\n"), true)
		s.close()
		if got := before.String() + after.String(); got != "before\nafter\n" || !unused.closed || unused.writes != 0 {
			t.Errorf("wrote %q, unused output closed %v after %d writes, want every line, true and 0", got, unused.closed, unused.writes)
		}
	})
}

// pipe is a disk whose write can be ended from outside.
type pipe struct{ disk }

func (p *pipe) SetWriteDeadline(time.Time) error {
	p.setRoom(0)
	close(p.stuck)
	return nil
}

func TestSinkSwapEndsTheWriteToAStuckPipe(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		before, after := &pipe{disk{room: -1, stuck: make(chan struct{})}}, &disk{room: -1}
		var r told
		s := newSink(before, r.complain, r.recover)
		s.put([]byte("held by the writer\n"), true)
		synctest.Wait()
		s.put([]byte("waiting\n"), true)
		s.swap(after)
		synctest.Wait()
		s.close()
		if got, want := after.String(), "waiting\n"; got != want || !before.closed || before.cut {
			t.Errorf("new output %q, old closed %v, cut short %v, want %q, true, false", got, before.closed, before.cut, want)
		}
		if len(r.recovered) != 1 || r.recovered[0] != 1 {
			t.Errorf("recovered %v, want [1]", r.recovered)
		}
	})
}
