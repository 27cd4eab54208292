package main

import (
	"fmt"
	"path"
	"slices"
	"strings"
)

// Work is one thing that every peer is asked to do.
type Work struct {
	name  string
	title string
	unit  string // what CPU is divided by: "GB", "request", "connection"
	site  string
	job   Job
	peers []string
	quick bool // part of --quick
	calls bool // its system calls are counted in a pass of their own
	grow  int  // the number on the axis, for work that is part of a growth

	backends int     // more than one: at addresses of their own
	hold     int     // connections to hold idle; nothing else is done
	load     float64 // share of the slowest peer's rate, for work on a schedule
	fewer    bool    // three rounds are enough
}

const (
	loopback = "loopback"
	veth     = "veth"
	segments = "segments"
)

// The peers of the tables. Those that say something only once are added to the
// work where they say it.
var (
	proxies   = []string{"sluice", "sluice-other", "haproxy", "nginx", "go-copy", "floor"}
	withPipes = []string{"sluice", "sluice-other", "haproxy", "haproxy-1m", "nginx", "go-copy", "floor"}
	kernel    = []string{"direct", "dnat"}
	control   = []string{"sluice-again"}
	extras    = []string{"sluice-bare", "sluice-full"}
	workers   = []string{"sluice-1", "sluice-2", "sluice-8"}
)

func allWorks() []Work {
	var all []Work
	add := func(w Work) { all = append(all, w) }
	bulk := func(site, name string, down, up int, peers []string, quick bool) {
		direction, n := "down", down
		if up > 0 {
			direction, n = "up", up
		}
		add(Work{
			name: fmt.Sprintf("%s-%s-%d", name, direction, n), title: fmt.Sprintf("bulk %s, %s%s", direction, plural(n, "stream"), where(site)),
			unit: "GB", site: site, job: Job{Down: down, Up: up}, peers: peers, quick: quick, calls: site == loopback && n == 8 && down > 0,
		})
	}
	for _, n := range []int{1, 8, 64} {
		peers := join(withPipes, control)
		if n == 8 {
			peers = join(peers, extras, kernel)
		}
		bulk(loopback, "bulk", n, 0, peers, n == 8)
		bulk(loopback, "bulk", 0, n, join(withPipes, control), n == 8)
	}
	for _, size := range []int{128, 4096} {
		for _, n := range []int{1, 50, 500} {
			peers := join(proxies, control)
			switch {
			case size == 128 && n == 50:
				peers = join(peers, extras, kernel)
			case n == 50:
				peers = join(withPipes, control)
			}
			add(Work{
				name: fmt.Sprintf("ping-pong-%d-%d", size, n), title: fmt.Sprintf("ping-pong %s, %s", bytesText(size), plural(n, "connection")),
				unit: "request", site: loopback, job: Job{PingPong: n, Size: size}, peers: peers, quick: n == 50, calls: n == 50,
			})
		}
	}
	add(Work{name: "short-client", title: "connect, request, reply, client closes; 64 clients", unit: "connection", site: loopback,
		job:   Job{Short: 64, Size: 128},
		peers: join(proxies, []string{"pen"}, control, extras, kernel), quick: true, calls: true})
	add(Work{name: "short-server", title: "connect, request, reply, backend closes; 64 clients", unit: "connection", site: loopback,
		job: Job{Short: 64, Size: 128, Brief: true}, peers: join(proxies, []string{"pen"}, control), quick: true, calls: true})
	for _, c := range []struct{ size, n int }{{128, 50}, {128, 500}, {4096, 50}} {
		add(Work{
			name: fmt.Sprintf("schedule-%d-%d", c.size, c.n), title: fmt.Sprintf("requests of %s on a schedule, %s", bytesText(c.size), plural(c.n, "connection")),
			unit: "request", site: loopback, job: Job{PingPong: c.n, Size: c.size}, load: 0.5, peers: join(proxies, control), quick: c.n == 50 && c.size == 128,
		})
	}
	add(Work{name: "mixed", title: "4 bulk streams down beside 50 ping-pong connections of 128 B", unit: "GB", site: loopback,
		job: Job{Down: 4, PingPong: 50, Size: 128}, peers: join(withPipes, control), quick: true})
	for _, site := range []string{veth, segments} {
		bulk(site, site+"-bulk", 8, 0, join(withPipes, control), false)
		bulk(site, site+"-bulk", 0, 8, join(withPipes, control), false)
	}
	add(Work{name: "veth-ping-pong-128-50", title: "ping-pong 128 B, 50 connections" + where(veth), unit: "request", site: veth,
		job: Job{PingPong: 50, Size: 128}, peers: join(proxies, kernel)})
	add(Work{name: "idle", title: "9,000 idle connections", unit: "connection", site: loopback, hold: 9000, peers: proxies, quick: true})
	for _, n := range []int{100, 1000, 3000, 9000} {
		add(Work{name: fmt.Sprintf("connections-%d", n), title: fmt.Sprintf("64 requests of 128 B under way, moving over %s", plural(n, "connection")),
			unit: "request", site: loopback, grow: n, fewer: true, quick: n == 100 || n == 3000,
			job: Job{PingPong: n, Size: 128, InFlight: 64}, peers: proxies})
	}
	for _, n := range []int{1, 100, 1000, 10000} {
		add(Work{name: fmt.Sprintf("backends-%d", n), title: "connect, request, reply, client closes; " + plural(n, "backend"),
			unit: "connection", site: loopback, grow: n, backends: n, fewer: true, quick: n == 1 || n == 1000,
			job: Job{Short: 64, Size: 128}, peers: []string{"sluice", "sluice-other", "haproxy", "nginx"}})
	}
	for _, c := range []struct {
		name, title, unit string
		job               Job
	}{
		{"workers-bulk", "bulk down, 8 streams", "GB", Job{Down: 8}},
		{"workers-ping-pong", "ping-pong 128 B, 50 connections", "request", Job{PingPong: 50, Size: 128}},
		{"workers-short", "connect, request, reply, client closes; 64 clients", "connection", Job{Short: 64, Size: 128}},
	} {
		add(Work{name: c.name, title: c.title + ", by the number of workers", unit: c.unit, site: loopback, fewer: true,
			job: c.job, peers: join([]string{"sluice"}, workers)})
	}
	return all
}

func where(site string) string {
	switch site {
	case veth:
		return ", over veth"
	case segments:
		return ", over veth in 1448-byte segments"
	}
	return ""
}

func join(lists ...[]string) []string { return slices.Concat(lists...) }

func plural(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return thousands(n) + " " + thing + "s"
}

func thousands(n int) string {
	if n < 1000 {
		return fmt.Sprint(n)
	}
	return fmt.Sprintf("%s,%03d", thousands(n/1000), n%1000)
}

func bytesText(n int) string {
	if n >= 1024 && n%1024 == 0 {
		return fmt.Sprintf("%d KiB", n/1024)
	}
	return fmt.Sprintf("%d B", n)
}

// chooseWorks are the works whose name begins with, or matches, one of the
// patterns; all of them if there are no patterns.
func chooseWorks(all []Work, patterns []string, quick bool) ([]Work, error) {
	var out []Work
	used := make([]bool, len(patterns))
	for _, w := range all {
		wanted := len(patterns) == 0 && (!quick || w.quick)
		for i, p := range patterns {
			if matches(p, w.name) {
				wanted, used[i] = true, true
			}
		}
		if wanted {
			out = append(out, w)
		}
	}
	for i, p := range patterns {
		if !used[i] {
			return nil, fmt.Errorf("--work %s: there is no such work; --list names them", p)
		}
	}
	return out, nil
}

func matches(pattern, name string) bool {
	if ok, _ := path.Match(pattern, name); ok {
		return true
	}
	return strings.HasPrefix(name, pattern+"-")
}

// address is that of backend i of many, all of them on loopback.
func address(i int) string {
	return fmt.Sprintf("127.%d.%d.%d", 2+i/62500, i/250%250, 1+i%250)
}

func addresses(n int) []string {
	if n <= 1 {
		return nil
	}
	out := make([]string, n)
	for i := range out {
		out[i] = address(i)
	}
	return out
}
