package main

import (
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"math"
	"math/rand/v2"
	"slices"
	"time"
)

// settle is what the machine is given between two runs, for sockets to be
// taken down.
const settle = 60 * time.Millisecond

// interleave runs a work: in each round every peer once, in an order of its
// own, so that what drifts falls upon all of them, and what one peer leaves to
// the next upon another each time. A round that something disturbed is repeated
// once.
func (b *bench) interleave(w Work) (WorkResult, error) {
	res := WorkResult{Name: w.name, Title: w.title, Unit: w.unit, Site: w.site, Grow: w.grow}
	site, err := b.site(w.site)
	if err != nil {
		return res, err
	}
	stands, absent := b.stands(w, site)
	res.Absent = absent
	defer func() {
		for _, t := range stands {
			t.stop()
		}
	}()
	if len(stands) == 0 {
		return res, nil
	}
	if w.load > 0 {
		if err := b.calibrate(&w, stands); err != nil {
			return res, err
		}
		res.Rate = w.job.Rate
	}
	for _, t := range stands {
		res.Rows = append(res.Rows, Row{Peer: t.peer.name})
	}
	n := b.rounds(w)
	for round := range n {
		if err := b.round(w, stands, res.Rows, round); err != nil {
			return res, err
		}
	}
	res.Rounds = n
	again := disturbed(res.Rows, b.cpus)
	for i, d := range again {
		if i == b.o.repeats {
			break
		}
		b.progress.more(len(stands))
		for r := range res.Rows {
			res.Rows[r].Runs = slices.DeleteFunc(res.Rows[r].Runs, func(run Run) bool { return run.Round == d.round })
		}
		if err := b.round(w, stands, res.Rows, d.round); err != nil {
			return res, err
		}
		res.Repeated = append(res.Repeated, fmt.Sprintf("round %d: %s", d.round+1, d.why))
	}
	res.Disturbed = len(disturbed(res.Rows, b.cpus))
	for _, t := range stands {
		if b.plans[t.peer.name] == nil {
			b.plans[t.peer.name] = &t.plan
		}
	}
	res.sumUp()
	return res, nil
}

func (b *bench) rounds(w Work) int {
	if w.fewer {
		return min(b.o.rounds, 3)
	}
	return b.o.rounds
}

// stands starts the peers of a work. One that cannot do it is left out, with
// the reason.
func (b *bench) stands(w Work, site *Site) (stands []*Stand, absent []string) {
	for i, p := range b.peers {
		if !b.takesPart(w, p) {
			continue
		}
		if p.most != nil && w.job.PingPong > p.most(b.files) {
			absent = append(absent, fmt.Sprintf("%s: no more than %s connections with %s descriptors",
				p.name, thousands(p.most(b.files)), thousands(b.files)))
			continue
		}
		t, err := b.stand(site, p, i, Setup{backends: addresses(w.backends)})
		if err != nil {
			absent = append(absent, err.Error())
			continue
		}
		stands = append(stands, t)
	}
	return stands, absent
}

// round runs each peer once, and adds what it showed to its row.
func (b *bench) round(w Work, stands []*Stand, rows []Row, round int) error {
	for _, k := range order(w.name, round, len(stands)) {
		r, err := b.once(w, stands[k], b.o.window)
		if err != nil {
			return fmt.Errorf("%s: %s: %w", w.name, stands[k].peer.name, err)
		}
		run := reckon(w, r, b.cpus)
		run.Round = round
		rows[k].Runs = append(rows[k].Runs, run)
		b.progress.step(w.title, stands[k].peer.title)
	}
	return nil
}

// order is that of the peers in a round, the same in every run.
func order(work string, round, peers int) []int {
	h := fnv.New64a()
	io.WriteString(h, work)
	return rand.New(rand.NewPCG(h.Sum64(), uint64(round))).Perm(peers)
}

// once runs one peer for one window.
func (b *bench) once(w Work, t *Stand, window time.Duration) (Result, error) {
	if err := b.stopped(); err != nil {
		return Result{}, err
	}
	if t.process != nil {
		if err := t.process.gone(); err != nil {
			return Result{}, err
		}
	}
	if err := t.enter(); err != nil {
		return Result{}, err
	}
	j := w.job
	j.Op, j.At, j.Warm, j.Window, j.Watch = "run", t.at, b.o.warm, window, t.watch()
	r, err := t.site.ask(j)
	time.Sleep(settle)
	return r, errors.Join(err, t.leave())
}

// calibrate sets the rate of a schedule: a share of what the slowest peer does
// when each request follows the last reply, in two digits.
func (b *bench) calibrate(w *Work, stands []*Stand) error {
	slowest := math.Inf(1)
	for _, t := range stands {
		r, err := b.once(*w, t, b.o.window/2)
		if err != nil {
			return err
		}
		slowest = min(slowest, r.Replies/r.Seconds)
	}
	w.job.Rate = twoDigits(slowest * w.load)
	if w.job.Rate < 1 {
		return fmt.Errorf("%s: somebody answers nothing", w.name)
	}
	return nil
}

func twoDigits(x float64) float64 {
	if x <= 0 {
		return 0
	}
	unit := math.Pow(10, math.Floor(math.Log10(x))-1)
	return math.Floor(x/unit) * unit
}

// disturbance is a round that should not be trusted.
type disturbance struct {
	round int
	why   string
}

const (
	tolerableSteal   = 0.03 // of all CPUs
	tolerableForeign = 0.10 // of one CPU, above the quiet
)

// disturbed finds rounds in which the machine was not ours: CPU time stolen or
// used by others well above the quiet value, or a number that stands apart.
func disturbed(rows []Row, cpus int) []disturbance {
	found := map[int]string{}
	note := func(round int, why string) {
		if found[round] == "" {
			found[round] = why
		}
	}
	quiet := math.Inf(1)
	for _, row := range rows {
		for _, run := range row.Runs {
			quiet = min(quiet, max(run.Values["foreign"], 0))
		}
	}
	for _, row := range rows {
		for _, key := range []string{"rate", "cpu"} {
			var xs []float64
			for _, run := range row.Runs {
				xs = append(xs, run.Values[key])
			}
			for _, i := range outliers(xs) {
				note(row.Runs[i].Round, fmt.Sprintf("%s of %s stands apart", key, row.Peer))
			}
		}
		for _, run := range row.Runs {
			if s := run.Values["steal"]; s > tolerableSteal {
				note(run.Round, fmt.Sprintf("%.0f%% of CPU time stolen during %s", 100*s, row.Peer))
			}
			if f := run.Values["foreign"] - quiet; f > tolerableForeign {
				note(run.Round, fmt.Sprintf("others used %.2f of a CPU during %s", f+quiet, row.Peer))
			}
		}
	}
	var out []disturbance
	for round, why := range found {
		out = append(out, disturbance{round, why})
	}
	slices.SortFunc(out, func(a, b disturbance) int { return a.round - b.round })
	return out
}
