package cmd

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// disk is an output that can fail and be slow.
type disk struct {
	mu     sync.Mutex
	text   bytes.Buffer
	writes int
	room   int // bytes it still takes; -1: any number
	closed bool
	inside bool          // a write is going on
	cut    bool          // closed while a write was going on
	stuck  chan struct{} // if not nil, a write waits for it
}

var errDiskFull = errors.New("no space left on device")

func (d *disk) Write(p []byte) (int, error) {
	d.mu.Lock()
	stuck := d.stuck
	d.inside = true
	d.mu.Unlock()
	if stuck != nil {
		<-stuck
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.inside = false
	d.writes++
	if d.room >= 0 && len(p) > d.room {
		n, _ := d.text.Write(p[:d.room])
		d.room = 0
		return n, errDiskFull
	}
	if d.room > 0 {
		d.room -= len(p)
	}
	return d.text.Write(p)
}

func (d *disk) Close() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.closed, d.cut = true, d.inside
	return nil
}

func (d *disk) setRoom(n int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.room = n
}

func (d *disk) String() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.text.String()
}

// told remembers what a sink reported.
type told struct {
	mu         sync.Mutex
	complaints []error
	recovered  []uint64
}

func (r *told) complain(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.complaints = append(r.complaints, err)
}

func (r *told) recover(n uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.recovered = append(r.recovered, n)
}

func TestSinkGathersLinesThatMayWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &disk{room: -1}
		var r told
		s := newSink(d, r.complain, r.recover)
		for range 100 {
			s.put([]byte("later\n"), false)
		}
		time.Sleep(sinkDelay - time.Millisecond)
		synctest.Wait()
		if got := d.String(); got != "" {
			t.Errorf("before the delay: wrote %q, want nothing", got)
		}
		time.Sleep(time.Millisecond)
		synctest.Wait()
		if got, want := d.String(), strings.Repeat("later\n", 100); got != want || d.writes != 1 {
			t.Errorf("after the delay: %d bytes in %d writes, want %d in 1", len(got), d.writes, len(want))
		}
		s.put([]byte("later\n"), false)
		s.put([]byte("now\n"), true)
		synctest.Wait()
		if got := d.String(); !strings.HasSuffix(got, "later\nnow\n") {
			t.Errorf("a prompt line was not written at once, in order: %q", got)
		}
		if lost := s.close(); lost != 0 {
			t.Errorf("lost %d, want 0", lost)
		}
		if !d.closed {
			t.Error("the output was not closed")
		}
	})
}

func TestSinkWritesAFullBatchBeforeTheDelay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &disk{room: -1}
		var r told
		s := newSink(d, r.complain, r.recover)
		s.put(append(bytes.Repeat([]byte("x"), sinkBatch), '\n'), false)
		synctest.Wait()
		if got := len(d.String()); got != sinkBatch+1 {
			t.Errorf("wrote %d bytes, want %d", got, sinkBatch+1)
		}
		s.close()
	})
}

func TestSinkReportsAFullDiskOnceAndCountsWhatWasLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &disk{room: 4}
		var r told
		s := newSink(d, r.complain, r.recover)
		for _, line := range []string{"one\n", "two\n", "three\n"} {
			s.put([]byte(line), true)
			synctest.Wait()
		}
		if len(r.complaints) != 1 || !errors.Is(r.complaints[0], errDiskFull) {
			t.Errorf("complaints %v, want one: %v", r.complaints, errDiskFull)
		}
		d.setRoom(-1)
		s.put([]byte("four\n"), true)
		synctest.Wait()
		if len(r.recovered) != 1 || r.recovered[0] != 2 {
			t.Errorf("recovered %v, want [2]", r.recovered)
		}
		if got, want := d.String(), "one\nfour\n"; got != want {
			t.Errorf("wrote %q, want %q", got, want)
		}
		if lost := s.close(); lost != 0 {
			t.Errorf("lost %d that were reported already", lost)
		}
	})
}

func TestSinkEndsALineThatWasTorn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &disk{room: 2}
		var r told
		s := newSink(d, r.complain, r.recover)
		s.put([]byte("torn\n"), true)
		synctest.Wait()
		d.setRoom(-1)
		s.put([]byte("whole\n"), true)
		synctest.Wait()
		if got, want := d.String(), "to\nwhole\n"; got != want {
			t.Errorf("wrote %q, want %q", got, want)
		}
		if len(r.recovered) != 1 || r.recovered[0] != 1 {
			t.Errorf("recovered %v, want [1]", r.recovered)
		}
		s.close()
	})
}

func TestSinkNeitherWaitsNorGrowsBehindAStuckOutput(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &disk{room: -1, stuck: make(chan struct{})}
		var r told
		s := newSink(d, r.complain, r.recover)
		line := append(bytes.Repeat([]byte("x"), 1<<20-1), '\n')
		s.put(line, true)
		synctest.Wait() // the writer holds this one
		for range 6 {
			s.put(line, true) // would deadlock the test if it waited
		}
		if got, want := len(s.waiting), sinkLimit; got != want {
			t.Errorf("%d bytes wait, want %d", got, want)
		}
		if err := s.flush(); !errors.Is(err, errSinkStuck) {
			t.Errorf("flush: %v, want %v", err, errSinkStuck)
		}
		close(d.stuck)
		synctest.Wait()
		if len(r.recovered) != 1 || r.recovered[0] != 2 {
			t.Errorf("recovered %v, want [2]", r.recovered)
		}
		s.close()
	})
}

func TestSinkCloseReportsWhatAStuckOutputTookAlong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &disk{room: -1, stuck: make(chan struct{})}
		var r told
		s := newSink(d, r.complain, r.recover)
		s.put([]byte("held by the writer\n"), true)
		synctest.Wait()
		s.put([]byte("waiting\n"), true)
		if lost := s.close(); lost != 2 {
			t.Errorf("lost %d, want 2", lost)
		}
		close(d.stuck)
	})
}

var _ io.WriteCloser = (*disk)(nil)
