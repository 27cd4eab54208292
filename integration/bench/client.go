package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"runtime"
	"strconv"
	"sync/atomic"
	"syscall"
	"time"
)

// loopsVar is how many threads the client and the backend have each.
const loopsVar = "SLUICE_BENCH_LOOPS"

func loopCount() int {
	n, _ := strconv.Atoi(os.Getenv(loopsVar))
	return max(n, 1)
}

// client does jobs, one line of JSON each, until its input ends. Its one
// argument is the file of the backend's counter.
func client(in io.Reader, out io.Writer) error {
	runtime.GOMAXPROCS(loopCount() + 1)
	received, err := openCounter(os.Args[1])
	if err != nil {
		return err
	}
	jobs, answers := json.NewDecoder(in), json.NewEncoder(out)
	var held *load
	for {
		var j Job
		if err := jobs.Decode(&j); err != nil {
			return nil
		}
		var r Result
		switch j.Op {
		case "await":
			err = await(&j, 10*time.Second)
		case "verify":
			err = verify(j.At, j.Backend)
		case "run":
			r, err = run(&j, received)
		case "hold":
			held, err = open(&j, received)
			if err == nil {
				r = held.opened()
			}
		case "release":
			held.stop()
		default:
			err = fmt.Errorf("no such job: %q", j.Op)
		}
		if err != nil {
			r.Error = err.Error()
		}
		if err := answers.Encode(r); err != nil {
			return err
		}
	}
}

// await waits until the services accept, and the echo answers through to the
// backend.
func await(j *Job, patience time.Duration) error {
	end := time.Now().Add(patience)
	for _, service := range j.Await {
		address, ask := j.At.of(service), accepts
		if service == echo {
			ask = askOnce
		}
		err := ask(address)
		for ; err != nil; err = ask(address) {
			if time.Now().After(end) {
				return fmt.Errorf("no answer from %s: %w", address, err)
			}
			time.Sleep(5 * time.Millisecond)
		}
	}
	return nil
}

func accepts(address string) error {
	c, err := net.DialTimeout("tcp", address, time.Second)
	if err == nil {
		c.Close()
	}
	return err
}

func askOnce(address string) error {
	c, err := net.DialTimeout("tcp", address, time.Second)
	if err != nil {
		return err
	}
	defer c.Close()
	if name, err := congestionOf(c.(*net.TCPConn)); err != nil || name != congestion {
		return fmt.Errorf("congestion control is %q, not %s: %v", name, congestion, err)
	}
	c.SetDeadline(time.Now().Add(time.Second))
	if _, err := c.Write([]byte{1}); err != nil {
		return err
	}
	_, err = io.ReadFull(c, make([]byte, 1))
	return err
}

// The phases of a load. Loops look at it whenever they wake.
//
//	opening --all there--> running --warm--> counting --window--> over
const (
	opening = iota
	running
	counting
	over
)

// load is a job at work: its loops, each on a thread.
type load struct {
	job      *Job
	phase    atomic.Int32
	loops    []*loop
	ended    chan error
	received Counter
}

// open opens the connections of a job and returns when each was answered once
// or nothing more happens.
func open(j *Job, received Counter) (*load, error) {
	l := &load{job: j, ended: make(chan error), received: received}
	n := loopCount()
	for i := range n {
		p, err := newLoop(l, i, n)
		if err != nil {
			return nil, err
		}
		l.loops = append(l.loops, p)
	}
	for _, p := range l.loops {
		go func() { l.ended <- p.run() }()
	}
	const patience = 3 * time.Second
	for last, at := 0, time.Now(); ; time.Sleep(time.Millisecond) {
		got := 0
		whole := true
		for _, p := range l.loops {
			got += int(p.ready.Load())
			whole = whole && p.ready.Load() == int64(p.wanted)
		}
		if got != last {
			last, at = got, time.Now()
		}
		if whole || time.Since(at) > patience {
			return l, nil
		}
	}
}

func (l *load) opened() (r Result) {
	for _, p := range l.loops {
		r.Opened += int(p.ready.Load())
		r.Unready += p.wanted - int(p.ready.Load())
	}
	return r
}

// stop ends the loops; each closes what it has open.
func (l *load) stop() error {
	l.phase.Store(over)
	var err error
	for range l.loops {
		if e := <-l.ended; e != nil {
			err = e
		}
	}
	return err
}

// run is a whole job.
func run(j *Job, received Counter) (Result, error) {
	was := received.n.Load()
	l, err := open(j, received)
	if err != nil {
		return Result{}, err
	}
	r := l.opened()
	l.phase.Store(running)
	time.Sleep(j.Warm)

	before, used, start := l.totals(), usage(j.Watch), time.Now()
	l.phase.Store(counting)
	time.Sleep(j.Window)
	after, usedThen, end := l.totals(), usage(j.Watch), time.Now()

	r.Seconds = end.Sub(start).Seconds()
	r.Bytes = float64(after.bytes - before.bytes)
	r.Replies = float64(after.replies - before.replies)
	r.Conns = float64(after.conns - before.conns)
	r.Errors = int(after.errors)
	r.Used = usedThen.since(used)
	if err := l.stop(); err != nil {
		return r, err
	}
	whole := l.totals()
	if j.Up > 0 {
		whole.bytes -= was
	}
	r.All = Units{float64(whole.bytes), float64(whole.replies), float64(whole.conns)}
	var all Histogram
	for _, p := range l.loops {
		all.Merge(&p.latency)
		r.Late = max(r.Late, p.late)
	}
	r.Samples = all.Count()
	for i, q := range quantiles {
		r.Latency[i] = all.Quantile(q).Seconds()
	}
	return r, nil
}

// totals are what all loops have done since they began.
type totals struct{ bytes, replies, conns, errors uint64 }

func (l *load) totals() (t totals) {
	if l.job.Up > 0 {
		t.bytes = l.received.n.Load()
	}
	for _, p := range l.loops {
		t.bytes += p.bytes.Load()
		t.replies += p.replies.Load()
		t.conns += p.conns.Load()
		t.errors += p.errors.Load()
	}
	return t
}

// share is loop i's part of n things among loops.
func share(n, i, loops int) int { return (n + loops - 1 - i) / loops }

func sources(addresses []string) ([]*syscall.SockaddrInet4, error) {
	var out []*syscall.SockaddrInet4
	for _, a := range addresses {
		s, err := sockaddr(net.JoinHostPort(a, "0"))
		if err != nil {
			return nil, err
		}
		out = append(out, s)
	}
	return out, nil
}
