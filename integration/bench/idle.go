package main

import (
	"time"
)

// IdleResult is what connections cost that do nothing.
type IdleResult struct {
	Peer        string  `json:"peer"`
	Commit      string  `json:"commit"`
	Connections int     `json:"connections"`
	Unserved    int     `json:"unserved,omitempty"`
	Before      Memory  `json:"before"`
	Open        Memory  `json:"open"`
	After       Memory  `json:"after"`
	Each        float64 `json:"bytes_each"` // PSS
	EachUSS     float64 `json:"uss_bytes_each"`
	Descriptors float64 `json:"descriptors_each"`
	Left        int     `json:"descriptors_left"`         // after closing, beyond those before
	Alone       float64 `json:"wakeups_per_second_alone"` // with no connection at all
	Wakeups     float64 `json:"wakeups_per_second"`
	CPU         float64 `json:"cpu_per_second"` // seconds of CPU a second while all are idle
}

const (
	warmed   = 50                     // connections that a peer has served before it is measured
	idleFor  = 2 * time.Second        // how long nothing happens while it is watched; half of it with --quick
	stillFor = 6 * time.Second        // after the last connection: timers of connecting have fired, once
	idleRest = 500 * time.Millisecond // for what is released late
)

// idle opens connections through a fresh peer, lets each be answered once, and
// looks at it while nothing happens and after they are closed.
func (b *bench) idle(w Work) ([]IdleResult, []string, error) {
	site, err := b.site(w.site)
	if err != nil {
		return nil, nil, err
	}
	var out []IdleResult
	var absent []string
	for i, p := range b.peers {
		if !b.takesPart(w, p) || p.plan == nil {
			continue
		}
		n := min(w.hold, (b.files-spare)/2)
		if b.o.quick {
			n = min(n, 3000)
		}
		if p.most != nil {
			n = min(n, p.most(b.files))
		}
		t, err := b.stand(site, p, i, Setup{quiet: true})
		if err != nil {
			absent = append(absent, err.Error())
			continue
		}
		r, err := b.idleOne(t, n)
		t.stop()
		if err != nil {
			return out, absent, err
		}
		out = append(out, r)
		b.progress.step(w.title, p.title)
	}
	return out, absent, nil
}

func (b *bench) idleOne(t *Stand, n int) (IdleResult, error) {
	res := IdleResult{Peer: t.peer.name, Commit: b.commit}
	// Servers keep what their first connections made them get.
	if err := b.hold(t, warmed, nil); err != nil {
		return res, err
	}
	t.watch() // who has been started since is one of them
	before := descriptors(t.pids)
	res.Before = memory(t.pids)
	if !b.o.quick {
		time.Sleep(stillFor) // those that warmed it have only just ended
	}
	res.Alone, _ = b.watchIdle(t.pids)
	err := b.hold(t, n, func(r Result) {
		res.Connections, res.Unserved = r.Opened, r.Unready
		res.Open = memory(t.pids)
		each := 1 / float64(max(r.Opened, 1))
		res.Descriptors = float64(descriptors(t.pids)-before) * each
		res.Each = (res.Open.PSS - res.Before.PSS) * each
		res.EachUSS = (res.Open.USS - res.Before.USS) * each
		if !b.o.quick {
			time.Sleep(stillFor)
		}
		res.Wakeups, res.CPU = b.watchIdle(t.pids)
	})
	res.After = memory(t.pids)
	res.Left = descriptors(t.pids) - before
	return res, err
}

// watchIdle is how often processes wake up in a second, and the CPU seconds
// that they use in it.
func (b *bench) watchIdle(pids []int) (woken, used float64) {
	watched := idleFor
	if b.o.quick {
		watched /= 2
	}
	w, u := wakeups(pids), cpuOf(pids)
	time.Sleep(watched)
	s := watched.Seconds()
	return (wakeups(pids) - w) / s, (cpuOf(pids) - u).Seconds() / s
}

// hold opens n idle connections, calls look when the dust has settled, and
// closes them.
func (b *bench) hold(t *Stand, n int, look func(Result)) error {
	if err := b.stopped(); err != nil {
		return err
	}
	r, err := t.site.ask(Job{Op: "hold", At: t.at, PingPong: n, Size: 1})
	if err != nil {
		return err
	}
	time.Sleep(idleRest)
	if look != nil {
		look(r)
	}
	_, err = t.site.ask(Job{Op: "release"})
	time.Sleep(idleRest)
	return err
}

func cpuOf(pids []int) (sum time.Duration) {
	for _, pid := range pids {
		sum += cpuClock(pid)
	}
	return sum
}
