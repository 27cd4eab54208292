package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"
)

// bench is a run of the driver.
type bench struct {
	o        *options
	ctx      context.Context
	dir      string // for configurations, gone at the end
	cpus     int
	files    int
	sluice   string
	floor    string
	peers    []*Peer
	launcher *launcher
	sites    map[string]*Site
	plans    map[string]*Plan
	faults   map[string][]string
	missing  map[string]string
	lost     map[string]bool // sites that could not be made
	verified []string        // sites
	counter  string
	commit   string
	begun    time.Time
	sooner   time.Duration // what the run took before it was cut short
	progress *Progress
	report   Report
}

// mostFiles is how many descriptors a peer is prepared for; some of them lay
// out memory for every one.
const mostFiles = 20000

func newBench(ctx context.Context, o *options) (*bench, error) {
	b := &bench{
		o: o, ctx: ctx, cpus: runtime.NumCPU(), files: mostFiles, sites: map[string]*Site{}, plans: map[string]*Plan{},
		faults: map[string][]string{}, missing: map[string]string{}, lost: map[string]bool{},
	}
	if os.Getuid() != 0 {
		return nil, errors.New("needs root, for network namespaces of its own")
	}
	if find("ip") == "" {
		return nil, errors.New("needs ip, of the package iproute2")
	}
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err == nil {
		b.files = int(min(limit.Max, mostFiles))
	}
	if o.loops == 0 {
		o.loops = max(1, b.cpus/2)
	}
	var err error
	if b.dir, err = os.MkdirTemp("", "bench"); err != nil {
		return nil, err
	}
	if b.launcher, err = newLauncher(); err != nil {
		return b, err
	}
	b.sluice, err = b.build()
	return b, err
}

// build makes the program of this checkout, as its users would. Outside of a
// checkout this binary is sluice as well.
func (b *bench) build() (string, error) {
	if b.o.sluice != "" {
		return filepath.Abs(b.o.sluice)
	}
	root := moduleRoot()
	if find("go") == "" || root == "" {
		return os.Executable()
	}
	path := filepath.Join(b.dir, "sluice")
	c := exec.Command("go", "build", "-o", path, "./cmd/sluice")
	c.Dir = root
	if out, err := c.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build sluice: %w\n%s", err, out)
	}
	return path, nil
}

// moduleRoot is the directory of go.mod, "" outside of the module.
func moduleRoot() string {
	dir, err := os.Getwd()
	for ; err == nil; dir = filepath.Dir(dir) {
		if text, err := os.ReadFile(filepath.Join(dir, "go.mod")); err == nil {
			if strings.HasPrefix(string(text), "module sluice\n") {
				return dir
			}
			return ""
		}
		if dir == filepath.Dir(dir) {
			return ""
		}
	}
	return ""
}

// site makes a site when it is first needed.
func (b *bench) site(name string) (*Site, error) {
	if s := b.sites[name]; s != nil {
		return s, nil
	}
	s, err := newSite(b.launcher, name, b.dir, b.o.loops)
	if err != nil {
		return nil, err
	}
	b.sites[name] = s
	return s, nil
}

func (b *bench) stopped() error {
	if b.ctx.Err() != nil {
		return errInterrupted
	}
	return nil
}

// takesPart reports whether a peer is asked to do a work.
func (b *bench) takesPart(w Work, p *Peer) bool {
	if w.backends > 1 && p.single {
		return false
	}
	return slices.Contains(w.peers, p.name) || slices.Contains(b.o.peers, p.name)
}

// close ends what still runs and removes what was made. The namespaces go with
// their last process.
func (b *bench) close() {
	for _, s := range b.sites {
		s.close()
	}
	if b.launcher != nil {
		b.launcher.close()
	}
	os.RemoveAll(b.dir)
}

// run verifies the peers, does the works and fills in the report.
func (b *bench) run(works []Work, stderr io.Writer) error {
	b.begun, b.commit = time.Now(), commit()
	if b.o.resume {
		b.sooner = sooner(&b.report)
		works = slices.DeleteFunc(works, b.has)
	}
	b.leaveOut()
	b.counter = counterProgram()
	steps, _ := b.steps(works)
	b.progress = newProgress(stderr, terminal(stderr), steps)
	err := b.verifyAll(works)
	for _, w := range works {
		if err != nil {
			break
		}
		if b.lost[w.site] {
			continue
		}
		if err = b.work(w); err != nil && !errors.Is(err, errInterrupted) {
			b.note("%v", err)
			b.abandon(w.site)
			err = nil
		}
		if err == nil {
			err = b.keep()
		}
	}
	b.progress.clear()
	b.describe()
	b.report.Targets = judge(&b.report)
	return err
}

func (b *bench) work(w Work) error {
	if err := b.stopped(); err != nil {
		return err
	}
	if w.hold > 0 {
		idle, absent, err := b.idle(w)
		if err == nil {
			b.report.Idle = idle
		}
		for _, a := range absent {
			b.note("%s: %s", w.name, a)
		}
		return err
	}
	res, err := b.interleave(w)
	if err != nil {
		return err
	}
	b.stamp(&res)
	b.report.put(res)
	if w.calls && b.o.calls && b.counter != "" {
		calls, err := b.countCalls(w)
		b.report.putCalls(w.name, calls)
		return err
	}
	return nil
}

func (b *bench) note(format string, args ...any) {
	if n := fmt.Sprintf(format, args...); !slices.Contains(b.report.Notes, n) {
		b.report.Notes = append(b.report.Notes, n)
	}
}

// abandon gives a site up on which something broke, so that the next work has
// a new one.
func (b *bench) abandon(name string) {
	if s := b.sites[name]; s != nil {
		s.close()
		delete(b.sites, name)
	}
}

// leaveOut drops the peers that are not installed.
func (b *bench) leaveOut() {
	b.peers = slices.DeleteFunc(b.peers, func(p *Peer) bool {
		switch {
		case p.program != "" && find(p.program) == "":
			b.missing[p.name] = p.program + " is not installed"
		case p.name == "nginx" && nginxModule() == "" && !streamBuiltIn():
			b.missing[p.name] = "nginx has no stream module"
		case p.name == "floor":
			var err error
			if b.floor, err = makeFloor(b.dir); err == nil {
				return false
			}
			b.missing[p.name] = err.Error()
		default:
			return false
		}
		return true
	})
}

// verifyAll checks every peer at every site before anything is measured. What
// fails is named, and its numbers are marked.
func (b *bench) verifyAll(works []Work) error {
	var names []string
	for _, w := range works {
		if !slices.Contains(names, w.site) {
			names = append(names, w.site)
		}
	}
	for _, name := range names {
		site, err := b.site(name)
		if err != nil {
			b.lost[name] = true
			b.note("left out: %v", err)
			continue
		}
		for i, p := range b.peers {
			if err := b.stopped(); err != nil {
				return err
			}
			if err := b.verifyPeer(site, p, i); err != nil {
				for line := range strings.Lines(err.Error()) {
					b.faults[p.name] = append(b.faults[p.name], name+": "+strings.TrimSpace(line))
				}
			}
			b.progress.step("verify, "+name, p.title)
		}
		b.verified = append(b.verified, name)
	}
	return nil
}

func (b *bench) verifyPeer(site *Site, p *Peer, index int) error {
	t, err := b.stand(site, p, index, Setup{})
	if err != nil {
		return err
	}
	defer t.stop()
	if err := t.enter(); err != nil {
		return err
	}
	_, err = site.ask(Job{Op: "verify", At: t.at})
	return errors.Join(err, t.leave())
}

func terminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0 && os.Getenv("TERM") != "dumb"
}
