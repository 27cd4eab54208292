package main

import (
	"bufio"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// CallsResult is how many system calls a unit of work takes.
type CallsResult struct {
	Work    string             `json:"work"`
	Unit    string             `json:"unit"`
	Peer    string             `json:"peer"`
	PerUnit float64            `json:"per_unit"`
	Calls   map[string]float64 `json:"calls,omitempty"` // per unit
	By      string             `json:"by"`              // what counted
}

// counted are the system calls that a proxy makes. Which of them is one counter
// each; the kernel's count of all is beside them.
var counted = []string{
	"splice", "epoll_wait", "epoll_pwait", "epoll_ctl", "accept4", "connect", "socket", "close", "shutdown",
	"recvfrom", "sendto", "recvmsg", "sendmsg", "read", "write", "readv", "writev",
	"fcntl", "bind", "setsockopt", "getsockopt", "getsockname", "ioctl", "pipe2", "futex",
}

// countCalls runs a work once more under a counter. It is not part of the
// rounds: counting costs.
func (b *bench) countCalls(w Work) ([]CallsResult, error) {
	site, err := b.site(w.site)
	if err != nil {
		return nil, err
	}
	var out []CallsResult
	for i, p := range b.peers {
		if !b.takesPart(w, p) || p.plan == nil || slices.Contains([]string{"sluice-again", "sluice-bare", "sluice-full"}, p.name) {
			continue
		}
		t, err := b.stand(site, p, i, Setup{})
		if err != nil {
			continue // the work itself has said so
		}
		c, err := b.callsOf(w, t)
		t.stop()
		if err != nil {
			return out, err
		}
		out = append(out, c)
		b.progress.step("system calls, "+w.title, p.title)
	}
	return out, nil
}

func (b *bench) callsOf(w Work, t *Stand) (CallsResult, error) {
	res := CallsResult{Work: w.name, Unit: w.unit, Peer: t.peer.name, By: b.counter}
	c, err := startCounter(b.counter, t.pids)
	if err != nil {
		return res, err
	}
	r, err := b.once(w, t, b.o.window)
	text := c.stop()
	if err != nil {
		return res, err
	}
	all, calls := parsePerf(text)
	if b.counter == "strace" {
		all, calls = parseStrace(text)
	}
	// The counter saw the opening and the closing of the connections as well,
	// and so did All.
	units := map[string]float64{"GB": r.All.Bytes / 1e9, "request": r.All.Replies, "connection": r.All.Conns}[w.unit]
	if units == 0 {
		return res, nil
	}
	res.PerUnit = all / units
	res.Calls = map[string]float64{}
	for name, n := range calls {
		if n > 0 {
			res.Calls[name] = n / units
		}
	}
	return res, nil
}

// parsePerf reads what perf stat -x ";" writes.
func parsePerf(text string) (all float64, calls map[string]float64) {
	calls = map[string]float64{}
	for lines := bufio.NewScanner(strings.NewReader(text)); lines.Scan(); {
		f := strings.Split(lines.Text(), ";")
		if len(f) < 3 {
			continue
		}
		n, err := strconv.ParseFloat(f[0], 64)
		if err != nil {
			continue
		}
		if name, one := strings.CutPrefix(f[2], "syscalls:sys_enter_"); one {
			calls[name] = n
		} else {
			all = n
		}
	}
	return all, calls
}

// parseStrace reads the summary of strace -c -U calls,name.
func parseStrace(text string) (all float64, calls map[string]float64) {
	calls = map[string]float64{}
	for lines := bufio.NewScanner(strings.NewReader(text)); lines.Scan(); {
		f := strings.Fields(lines.Text())
		if len(f) != 2 || f[1] == "total" {
			continue
		}
		if n, err := strconv.ParseFloat(f[0], 64); err == nil {
			calls[f[1]] = n
			all += n
		}
	}
	return all, calls
}

// most are the calls that matter, the most frequent first.
func most(calls map[string]float64, n int) []string {
	names := slices.Collect(maps.Keys(calls))
	slices.SortFunc(names, func(a, b string) int {
		if calls[a] != calls[b] {
			if calls[a] > calls[b] {
				return -1
			}
			return 1
		}
		return strings.Compare(a, b)
	})
	return names[:min(n, len(names))]
}
