package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
)

// options are what the command line says.
type options struct {
	peers   []string
	work    []string
	rounds  int
	repeats int
	window  time.Duration
	warm    time.Duration
	loops   int
	quick   bool
	list    bool
	json    bool
	calls   bool
	merge   bool
	resume  bool
	out     string
	sluice  string
	other   string
}

const (
	fullRounds, fullSeconds   = 5, 0.75
	quickRounds, quickSeconds = 2, 0.5
)

func parseOptions(args []string, stderr io.Writer) (*options, error) {
	o := &options{}
	f := flag.NewFlagSet("bench", flag.ContinueOnError)
	f.SetOutput(stderr)
	f.Usage = func() {
		fmt.Fprint(stderr, "usage: go run ./integration/bench [flags]\n       go run ./integration/bench micro [flags]\n       go run ./integration/bench page\n\n")
		f.PrintDefaults()
	}
	peers := f.String("peers", "", "comma-separated `names`; each then takes part in all work (default: those that --list marks for each work)")
	work := f.String("work", "", "comma-separated `names`, beginnings of names or patterns (default: all)")
	f.IntVar(&o.rounds, "rounds", 0, fmt.Sprintf("`number` of rounds (default %d; %d with --quick)", fullRounds, quickRounds))
	f.IntVar(&o.repeats, "repeats", -1, "how many disturbed rounds of a work are repeated, at most (default 1)")
	seconds := f.Float64("seconds", 0, fmt.Sprintf("`length` of one window (default %g; %g with --quick)", fullSeconds, quickSeconds))
	f.IntVar(&o.loops, "loops", 0, "`threads` of the client and of the backend (default: half the CPUs)")
	f.BoolVar(&o.quick, "quick", false, "the main rows only, in about five minutes; writes no files unless --out says where")
	f.BoolVar(&o.list, "list", false, "name work and peers, and end")
	f.BoolVar(&o.json, "json", false, "the result as JSON on standard output instead of tables")
	f.BoolVar(&o.calls, "calls", true, "count system calls in a pass of its own")
	f.BoolVar(&o.merge, "merge", false, "put what is measured among the results of the last run: the rest of the page stays")
	f.BoolVar(&o.resume, "resume", false, "go on with a run of the same command that was cut short")
	f.StringVar(&o.out, "out", "", "`directory` for benchmarks.md and bench/ (default: docs; with --quick, --work or --peers, but without --merge, none)")
	f.StringVar(&o.sluice, "sluice", "", "`path` of the sluice to measure (default: built from this checkout)")
	f.StringVar(&o.other, "other", "", "`path` of a second build, measured beside the first as sluice-other")
	if err := f.Parse(args); err != nil {
		return nil, err
	}
	if f.NArg() > 0 {
		return nil, fmt.Errorf("unexpected argument %q", f.Arg(0))
	}
	o.peers, o.work = list(*peers), list(*work)
	return o, o.complete(*seconds)
}

// complete puts defaults where nothing was said and refuses nonsense.
func (o *options) complete(seconds float64) error {
	rounds, length := fullRounds, fullSeconds
	if o.quick {
		rounds, length = quickRounds, quickSeconds
	}
	if o.rounds == 0 {
		o.rounds = rounds
	}
	if o.repeats < 0 {
		o.repeats = 1
	}
	if seconds == 0 {
		seconds = length
	}
	if o.out == "" && (o.merge || !o.quick && o.work == nil && o.peers == nil) {
		o.out = "docs"
	}
	o.window = time.Duration(seconds * float64(time.Second))
	o.warm = min(150*time.Millisecond, o.window/2)
	switch {
	case o.rounds < 1:
		return errors.New("--rounds: at least 1")
	case o.window < 50*time.Millisecond || o.window > time.Minute:
		return errors.New("--seconds: between 0.05 and 60")
	case o.resume && o.out == "":
		return errors.New("--resume: this run keeps nothing; --out or --merge")
	case o.loops < 0:
		return errors.New("--loops: at least 1")
	}
	return nil
}

func list(text string) []string {
	if text == "" {
		return nil
	}
	return strings.Split(text, ",")
}

// choosePeers are the peers named, or all that any chosen work wants.
func choosePeers(all []*Peer, named []string, works []Work) ([]*Peer, error) {
	var out []*Peer
	for _, p := range all {
		wanted := slices.Contains(named, p.name)
		for _, w := range works {
			wanted = wanted || named == nil && slices.Contains(w.peers, p.name)
		}
		if wanted {
			out = append(out, p)
		}
	}
	for _, name := range named {
		if !slices.ContainsFunc(all, func(p *Peer) bool { return p.name == name }) {
			return nil, fmt.Errorf("--peers %s: there is no such peer; --list names them", name)
		}
	}
	return out, nil
}
