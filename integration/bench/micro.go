package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
)

// benchstat compares two records of Go benchmarks.
const benchstat = "golang.org/x/perf/cmd/benchstat@v0.0.0-20260908200009-22c9c6c9d4da"

// microPackages have the benchmarks of single parts: the pick, the decision of
// a flow, the parsing of a file, the compiling of a table, the timer wheel, the
// line of the access log.
var microPackages = []string{"./balancer", "./proxy/relay", "./config", "./control", "./proxy", "./cmd"}

// micro runs the benchmarks beside the code, compares them with those recorded
// last, and records them.
func micro(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	f := flag.NewFlagSet("bench micro", flag.ContinueOnError)
	f.SetOutput(stderr)
	record := f.String("record", "docs/bench/micro.txt", "`file` to compare with and to write")
	runs := f.Int("count", 6, "how often each benchmark runs")
	length := f.String("benchtime", "100ms", "how long each of these takes")
	pattern := f.String("bench", ".", "which benchmarks, a regular `expression`")
	keep := f.Bool("keep", false, "compare only, and leave the record as it is")
	if err := f.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return nil
		}
		return err
	}
	root := moduleRoot()
	if root == "" {
		return errors.New("micro: not inside the module sluice")
	}
	old := *record
	if !filepath.IsAbs(old) {
		old = filepath.Join(root, old)
	}
	dir, err := os.MkdirTemp("", "bench")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)

	goArgs := append([]string{"test", "-run", "^$", "-bench", *pattern, "-benchmem",
		"-count", strconv.Itoa(*runs), "-benchtime", *length}, microPackages...)
	var text strings.Builder
	fmt.Fprintf(&text, "kernel: %s\ncommit: %s\n", firstLine(output("uname", "-r")), commit())
	c := exec.CommandContext(ctx, "go", goArgs...)
	c.Dir = root
	c.Stdout = io.MultiWriter(&text, stderr)
	c.Stderr = stderr
	if err := c.Run(); err != nil {
		return fmt.Errorf("go %s: %w", strings.Join(goArgs, " "), err)
	}
	made := filepath.Join(dir, "now.txt")
	if err := os.WriteFile(made, []byte(onlyBenchmarks(text.String())), 0o644); err != nil {
		return err
	}
	files := []string{"now=" + made}
	if exists(old) {
		files = []string{"recorded=" + old, "now=" + made}
	}
	if err := runBenchstat(ctx, dir, files, stdout, stderr); err != nil {
		return err
	}
	if *keep {
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(old), 0o755); err != nil {
		return err
	}
	return os.WriteFile(old, []byte(onlyBenchmarks(text.String())), 0o644)
}

// runBenchstat ignores the lines that differ by nature, so that records of two
// commits are compared at all.
func runBenchstat(ctx context.Context, dir string, files []string, stdout, stderr io.Writer) error {
	args := append([]string{"run", benchstat, "-ignore", "kernel,commit"}, files...)
	c := exec.CommandContext(ctx, "go", args...)
	c.Dir = dir // outside of the module: what it needs is no matter of go.mod
	c.Stdout, c.Stderr = stdout, stderr
	if err := c.Run(); err != nil {
		return fmt.Errorf("go %s: %w", strings.Join(args, " "), err)
	}
	return nil
}

// onlyBenchmarks drops what is no result and no setting, such as the times
// that packages took.
func onlyBenchmarks(text string) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		name, _, _ := strings.Cut(line, ":")
		setting := name != line && !strings.ContainsAny(name, " \t") && name != ""
		if strings.HasPrefix(line, "Benchmark") && strings.Contains(line, "ns/op") || setting {
			b.WriteString(line)
		}
	}
	return b.String()
}
