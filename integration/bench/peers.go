package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// Peer is something that takes the client's connections to the backend.
type Peer struct {
	name    string
	title   string
	program string // what must be installed; "" for what is built in
	version []string
	single  bool // it knows one backend

	// plan says how to run it; nil for what is no process.
	plan func(s Setup) Plan
	// kernel is the rule set for what the kernel itself does.
	kernel func(s Setup) string
	// most is how many connections it can hold at a time within the descriptors
	// it may open; nil for no limit of its own.
	most func(descriptors int) int
}

// Setup is what a peer is told.
type Setup struct {
	dir      string
	host     string
	base     int
	backend  Place
	backends []string // hosts; all with the same ports
	cpus     int
	files    int // descriptors a process may have open
	sluice   string
	floor    string // the program, compiled
	veth     bool
	quiet    bool // no health checks: for counting what an idle process does
}

// routes are the services that a proxy offers, with the backends of each.
func (s Setup) routes() []route {
	out := make([]route, proxied)
	for i := range out {
		out[i] = route{service: i, name: serviceNames[i], port: s.base + i, bind: fmt.Sprintf("%s:%d", s.host, s.base+i)}
		for _, host := range s.backends {
			out[i].backends = append(out[i].backends, Place{host, s.backend.Base}.of(i))
		}
	}
	if len(s.backends) > 1 { // only the ones that the growth is measured with
		return []route{out[echo], out[brief]}
	}
	return out
}

type route struct {
	service  int
	name     string
	port     int
	bind     string
	backends []string
}

// Plan is how a peer is run.
type Plan struct {
	file    string // its configuration's name
	text    string // and content
	command []string
	env     []string
}

// workerCounts are the numbers of workers that contention is measured with; on
// two CPUs the last is oversubscribed.
var workerCounts = []int{1, 2, 8}

// allPeers are the peers there can be, in the order of the tables.
func allPeers(o *options) []*Peer {
	peers := []*Peer{
		{name: "sluice", title: "sluice", plan: planSluice(variant{})},
		{name: "sluice-again", title: "sluice again (A/A)", plan: planSluice(variant{})},
		{name: "sluice-bare", title: "sluice, all extras off", plan: planSluice(variant{bare: true})},
		{name: "sluice-full", title: "sluice, all extras on", plan: planSluice(variant{full: true})},
	}
	for _, n := range workerCounts {
		peers = append(peers, &Peer{name: fmt.Sprintf("sluice-%d", n), title: fmt.Sprintf("sluice, %s, GOMAXPROCS %d", plural(n, "worker"), n),
			plan: planSluice(variant{workers: n})})
	}
	if o.other != "" {
		peers = append(peers, &Peer{name: "sluice-other", title: "sluice, the other build", plan: planSluice(variant{path: o.other})})
	}
	return append(peers,
		haproxy("haproxy", "HAProxy, splice", true, 0),
		haproxy("haproxy-1m", "HAProxy, splice, 1 MiB pipes", true, 1<<20),
		haproxy("haproxy-copy", "HAProxy, no splice", false, 0),
		nginx(),
		pen(),
		&Peer{name: "go-copy", title: "Go io.Copy", single: true, plan: planCopy, most: func(files int) int { return files / 6 }},
		&Peer{name: "floor", title: "C floor", program: compiler, single: true, plan: planFloor},
		&Peer{name: "dnat", title: "kernel DNAT", program: "nft", version: []string{"--version"}, single: true, kernel: planDNAT},
		&Peer{name: "direct", title: "direct", single: true},
	)
}

// direct reports that there is nothing between client and backend.
func (p *Peer) direct() bool { return p.plan == nil && p.kernel == nil }

// Stand is a peer at work at a site.
type Stand struct {
	peer    *Peer
	site    *Site
	at      Place
	setup   Setup
	plan    Plan
	process *Process
	pids    []int
}

// stand starts a peer and waits until it serves. Of s only what the work wants
// is given.
func (b *bench) stand(site *Site, p *Peer, index int, s Setup) (*Stand, error) {
	s.dir = filepath.Join(b.dir, site.name+"-"+p.name)
	s.host, s.base, s.backend = site.proxy, 2000+100*index, site.backend
	s.cpus, s.files, s.sluice, s.floor = b.cpus, b.files, b.sluice, b.floor
	s.veth = site.name != loopback
	if s.backends == nil {
		s.backends = []string{site.backend.Host}
	}
	if err := os.MkdirAll(s.dir, 0o700); err != nil {
		return nil, err
	}
	t := &Stand{peer: p, site: site, setup: s, at: Place{s.host, s.base}}
	if p.direct() {
		t.at = site.backend
		return t, nil
	}
	if p.plan == nil {
		t.plan = Plan{text: p.kernel(s), command: []string{"nft", "-f", "-"}}
		return t, nil
	}
	t.plan = p.plan(s)
	if t.plan.file != "" {
		if err := os.WriteFile(t.plan.file, []byte(t.plan.text), 0o600); err != nil {
			return nil, err
		}
	}
	c := exec.Command(t.plan.command[0], t.plan.command[1:]...)
	c.Dir = s.dir
	c.Env = append(os.Environ(), t.plan.env...)
	var err error
	if t.process, err = site.launcher.start(site.nsProxy, c); err != nil {
		return nil, err
	}
	await := Job{Op: "await", At: t.at}
	for _, r := range s.routes() {
		await.Await = append(await.Await, r.service)
	}
	if _, err := site.ask(await); err != nil {
		gone := t.process.gone()
		t.stop()
		if gone != nil {
			err = gone
		}
		return nil, fmt.Errorf("%s: %w", p.name, err)
	}
	t.pids = t.process.pids()
	return t, nil
}

// enter puts the kernel's rules in place for one run; leave takes them away,
// so that only this run pays for connection tracking.
func (t *Stand) enter() error { return t.nft(t.plan.text) }
func (t *Stand) leave() error { return t.nft("delete table ip bench\n") }

func (t *Stand) nft(text string) error {
	if t.peer.kernel == nil {
		return nil
	}
	return t.site.launcher.in(t.site.nsProxy, func() error {
		c := exec.Command(find("nft"), "-f", "-")
		c.Stdin = strings.NewReader(text)
		if out, err := c.CombinedOutput(); err != nil {
			return fmt.Errorf("nft: %w: %s", err, strings.TrimSpace(string(out)))
		}
		return nil
	})
}

// watch is whom to watch now: a program may have started others since it serves.
func (t *Stand) watch() Watch {
	if t.process != nil {
		t.pids = t.process.pids()
	}
	return Watch{Proxy: t.pids, Backend: []int{t.site.backendAt.cmd.Process.Pid}}
}

func (t *Stand) stop() {
	if t.process != nil {
		t.process.stop()
	}
}
