package cmd

import (
	"bytes"
	"errors"
	"io"
	"sync"
	"time"
)

const (
	// A line that may wait is written this long after it was logged, at the
	// latest, together with what has gathered by then.
	sinkDelay = 100 * time.Millisecond
	// As many bytes are written at once even before the delay is over.
	sinkBatch = 64 << 10
	// Lines beyond this many waiting bytes are lost and counted: a reader that
	// has stopped must neither stop the program nor take all its memory.
	sinkLimit = 4 << 20
	// A flush gives up after this long.
	sinkFlush = 2 * time.Second
)

// errSinkStuck is a log output that takes no bytes.
var errSinkStuck = errors.New("the output takes nothing")

// sink is where log lines go: one goroutine writes what the others hand over,
// so that no logging call waits for a disk or a terminal.
//
//	put ----> waiting --(kick, or sinkDelay)--> writer ----> out
//	                                              ^
//	swap ----> next ------------------------------+ takes its place
//
// Nothing is lost silently. The first failing write is told to complain, the
// lines lost are counted, and recovered hears the count once writing works
// again.
type sink struct {
	complain  func(error)        // a write failed after one that had worked
	recovered func(lines uint64) // lines were lost, and writing works again

	kick chan struct{}
	quit chan struct{}
	done chan struct{}

	torn    bool // the output ends in the middle of a line; only for the writer
	failing bool // the last write failed; only for the writer

	mu       sync.Mutex
	out      io.WriteCloser // replaced by the writer alone
	next     io.WriteCloser // what out is to be, or nil
	late     bool           // next was to come long ago: what waits is for it already
	waiting  []byte
	writing  []byte          // what the writer has in its hands
	timer    *time.Timer     // armed while lines wait that were not kicked
	armed    bool            // timer runs
	flushes  []chan struct{} // closed once what waits now has been written
	lost     uint64          // lines, since recovered last heard of some
	told     uint64          // lines that were lost before
	finished bool            // close was called: lines that come now are lost
}

func newSink(out io.WriteCloser, complain func(error), recovered func(uint64)) *sink {
	s := &sink{
		complain:  complain,
		recovered: recovered,
		kick:      make(chan struct{}, 1),
		quit:      make(chan struct{}),
		done:      make(chan struct{}),
		out:       out,
	}
	s.timer = time.AfterFunc(time.Hour, s.wake)
	s.timer.Stop()
	go s.write()
	return s
}

// put hands over one line, newline included. prompt lines are written at once,
// and with them everything before; the others wait for company.
func (s *sink) put(line []byte, prompt bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.finished || len(s.waiting)+len(line) > sinkLimit {
		s.lost++
		return
	}
	s.waiting = append(s.waiting, line...)
	switch {
	case prompt || len(s.waiting) >= sinkBatch:
		s.wake()
	case !s.armed:
		s.armed = true
		s.timer.Reset(sinkDelay)
	}
}

func (s *sink) wake() {
	select {
	case s.kick <- struct{}{}:
	default:
	}
}

func (s *sink) write() {
	defer close(s.done)
	var spare []byte
	for {
		select {
		case <-s.kick:
			spare = s.turn(spare)
		case <-s.quit:
			s.turn(s.turn(spare)) // the second for what recovered may have to say
			return
		}
	}
}

// turn writes what waits, and changes the output if it is to be another one.
// spare is empty room to gather in meanwhile; turn returns the room that it has
// emptied.
func (s *sink) turn(spare []byte) []byte {
	s.mu.Lock()
	batch, flushes, out, next, late := s.waiting, s.flushes, s.out, s.next, s.late
	s.waiting, s.writing, s.flushes, s.next, s.late = spare[:0], batch, nil, nil, false
	s.armed = false
	s.timer.Stop()
	s.mu.Unlock()

	if late {
		s.change(next)
		out, next = next, nil
	}
	n, err := writeBatch(out, batch, s.torn)
	s.settle(batch, n, err)
	if next != nil {
		s.change(next)
	}
	for _, c := range flushes {
		close(c)
	}
	if cap(batch) > 4*sinkBatch {
		return nil
	}
	return batch
}

// change puts next in the place of the output.
func (s *sink) change(next io.WriteCloser) {
	s.mu.Lock()
	old := s.out
	s.out = next
	s.mu.Unlock()
	s.torn, s.failing = false, false
	_ = old.Close()
}

// writeBatch returns how many bytes of batch were written.
func writeBatch(out io.Writer, batch []byte, torn bool) (int, error) {
	if len(batch) == 0 {
		return 0, nil
	}
	if torn {
		if _, err := out.Write([]byte("\n")); err != nil {
			return 0, err
		}
	}
	return out.Write(batch)
}

// settle accounts for a write of batch of which n bytes went out.
func (s *sink) settle(batch []byte, n int, err error) {
	wasFailing := s.failing
	if len(batch) > 0 {
		s.failing = err != nil
	}
	if n > 0 {
		s.torn = batch[n-1] != '\n'
	}
	s.mu.Lock()
	s.writing = nil
	s.lost += countLines(batch[n:])
	var lost uint64
	if !s.failing && n > 0 {
		lost, s.lost = s.lost, 0
		s.told += lost
	}
	s.mu.Unlock()
	if err != nil && !wasFailing {
		s.complain(err)
	}
	if lost > 0 {
		s.recovered(lost)
	}
}

// lostInAll is how many lines have been lost since the start.
func (s *sink) lostInAll() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.told + s.lost
}

// flush waits until everything handed over so far has been written or lost.
func (s *sink) flush() error {
	flushed := make(chan struct{})
	s.mu.Lock()
	s.flushes = append(s.flushes, flushed)
	s.mu.Unlock()
	s.wake()
	late := time.NewTimer(sinkFlush)
	defer late.Stop()
	select {
	case <-flushed:
		return nil
	case <-s.done:
		return nil
	case <-late.C:
		return errSinkStuck
	}
}

// swap goes on with out, which the sink owns from here on, once what waits has
// been written to the output in use, which is then closed. The writer does it:
// nobody else may close what it writes to.
func (s *sink) swap(out io.WriteCloser) {
	s.mu.Lock()
	unused := s.next
	s.next = out
	s.mu.Unlock()
	if unused != nil {
		_ = unused.Close()
	}
	if s.flush() == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.next != out {
		return
	}
	// The writer is stuck. A pipe's write can be ended; any other keeps it from
	// the new output for as long as it lasts.
	s.late = true
	if p, ok := s.out.(interface{ SetWriteDeadline(time.Time) error }); ok {
		_ = p.SetWriteDeadline(time.Now())
	}
}

// close writes what waits and closes the output. It returns how many lines
// were lost and never reported.
func (s *sink) close() uint64 {
	stuck := s.flush() != nil
	s.mu.Lock()
	s.finished = true
	s.mu.Unlock()
	close(s.quit)
	// A writer that sits in a write which does not return is left there: the
	// process is about to end and takes it along.
	if !stuck {
		<-s.done
		_ = s.out.Close()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.lost + countLines(s.writing) + countLines(s.waiting)
}

func countLines(text []byte) uint64 { return uint64(bytes.Count(text, []byte("\n"))) }
