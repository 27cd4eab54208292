package main

import (
	"fmt"
	"math"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"time"
)

// describe puts into the report where and how it was made.
func (b *bench) describe() {
	r := &b.report
	r.Date = b.begun.UTC().Format("2006-01-02 15:04 UTC")
	r.Took = (b.sooner + time.Since(b.begun)).Round(time.Second).String()
	if !b.o.resume || r.Command == "" {
		r.Command = strings.TrimSpace("go run ./integration/bench " + strings.Join(os.Args[1:], " "))
	}
	r.Commit = b.commit
	r.Machine = cpuModel()
	r.CPUs = b.cpus
	r.MemoryG = memoryGiB()
	r.Kernel = firstLine(output("uname", "-r"))
	r.Go = runtime.Version()
	r.Rounds = b.o.rounds
	r.Seconds = b.o.window.Seconds()
	var now []PeerInfo
	var places []string
	for _, p := range allPeers(b.o) {
		places = append(places, p.name)
		info := PeerInfo{Name: p.name, Title: p.title, Faults: b.faults[p.name], Missing: b.missing[p.name]}
		if p.version != nil && info.Missing == "" {
			info.Version = firstLine(output(p.program, p.version...))
		}
		plan := b.plans[p.name]
		if plan == nil && info.Missing == "" {
			continue
		}
		if plan != nil && len(plan.command) > 0 {
			info.Command = b.shown(strings.Join(plan.command, " "))
			info.Config = b.shown(plan.text)
		}
		now = append(now, info)
	}
	r.putPeers(now, b.verified, places)
}

// shown is a text without this run's own paths.
func (b *bench) shown(text string) string {
	if me, err := os.Executable(); err == nil {
		text = strings.ReplaceAll(text, me, "bench")
	}
	text = strings.ReplaceAll(text, b.dir+"/loopback-", "DIR/")
	return strings.ReplaceAll(text, b.dir, "DIR")
}

func commit() string {
	id := firstLine(output("git", "rev-parse", "--short", "HEAD"))
	if id != "" && firstLine(output("git", "status", "--porcelain", "--untracked-files=no")) != "" {
		id += " with changes"
	}
	return id
}

func cpuModel() string {
	text, _ := os.ReadFile("/proc/cpuinfo")
	for line := range strings.Lines(string(text)) {
		if name, value, _ := strings.Cut(line, ":"); strings.TrimSpace(name) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return runtime.GOARCH
}

func memoryGiB() float64 {
	text, _ := os.ReadFile("/proc/meminfo")
	f := strings.Fields(string(text))
	if len(f) < 2 {
		return 0
	}
	kib, _ := strconv.ParseFloat(f[1], 64)
	return float64(int(kib/1024/1024*10)) / 10
}

// output is what a program writes, "" if it cannot be run.
func output(program string, args ...string) string {
	path := find(program)
	if path == "" {
		return ""
	}
	out, err := exec.Command(path, args...).CombinedOutput()
	if err != nil {
		return ""
	}
	return string(out)
}

func firstLine(text string) string {
	line, _, _ := strings.Cut(strings.TrimSpace(text), "\n")
	return line
}

func streamBuiltIn() bool {
	version := output("nginx", "-V")
	return strings.Contains(version, "--with-stream ") || strings.HasSuffix(strings.TrimSpace(version), "--with-stream")
}

func (r *Report) where() string {
	return fmt.Sprintf("%s, %d CPUs, %.0f GiB; Linux %s; %s; commit %s", r.Machine, r.CPUs, r.MemoryG, r.Kernel, r.Go, r.Commit)
}

// noise says how far sluice was from itself, at worst.
func (r *Report) noise() string {
	worst := map[string]float64{}
	works := 0
	for i := range r.Works {
		row := r.Works[i].row("sluice-again")
		if row == nil || row.Ratio["rate"].N == 0 {
			continue
		}
		works++
		for _, name := range []string{"cpu", "rate", "p99"} {
			if s := row.Ratio[name]; s.N > 0 {
				worst[name] = max(worst[name], math.Abs(s.Median-1))
			}
		}
	}
	if works == 0 {
		return ""
	}
	return fmt.Sprintf("noise: sluice differs from itself by up to %.0f%% in proxy CPU, %.0f%% in rate, %.0f%% in p99 (%d works measured twice)",
		100*worst["cpu"], 100*worst["rate"], 100*worst["p99"], works)
}
