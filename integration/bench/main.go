package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"sluice/cmd"
)

func main() { os.Exit(play()) }

// play does what this process is for.
func play() int {
	var err error
	switch as := os.Getenv(asVar); as {
	case "":
		return drive(os.Args[1:], os.Stdout, os.Stderr)
	case "sluice":
		return cmd.Main()
	case "client":
		err = client(os.Stdin, os.Stdout)
	case "backend":
		err = backend(os.Stdin, os.Stdout)
	case "go-copy":
		err = copier(os.Args[1:])
	default:
		err = fmt.Errorf("%s=%s: no such part", asVar, as)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

// drive is the driver: 0 all was measured, 1 something went wrong, 2 the
// command line was not understood.
func drive(args []string, stdout, stderr io.Writer) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if len(args) > 0 && args[0] == "micro" {
		return result(micro(ctx, args[1:], stdout, stderr), stderr)
	}
	if len(args) > 0 && args[0] == "page" {
		return result(remake(args[1:]), stderr)
	}
	o, err := parseOptions(args, stderr)
	if err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return 0
		}
		fmt.Fprintf(stderr, "bench: %v\n", err)
		return 2
	}
	return result(measure(ctx, o, stdout, stderr), stderr)
}

func result(err error, stderr io.Writer) int {
	if err != nil {
		fmt.Fprintf(stderr, "bench: %v\n", err)
		return 1
	}
	return 0
}

// measure is a run from the choice of works to the files.
func measure(ctx context.Context, o *options, stdout, stderr io.Writer) error {
	works, err := chooseWorks(allWorks(), o.work, o.quick)
	if err != nil {
		return err
	}
	peers, err := choosePeers(allPeers(o), o.peers, works)
	if err != nil {
		return err
	}
	if o.list {
		printList(stdout, o, works, peers)
		return nil
	}
	b, err := newBench(ctx, o)
	if b != nil {
		defer b.close()
	}
	if err != nil {
		return err
	}
	b.peers = peers
	if b.report, err = begin(o); err != nil {
		return err
	}
	if err := b.run(works, stderr); err != nil {
		if errors.Is(err, errInterrupted) && o.out != "" {
			return fmt.Errorf("%w; the same command with --resume goes on from here", err)
		}
		return err
	}
	if o.json {
		e := json.NewEncoder(stdout)
		e.SetIndent("", "  ")
		err = e.Encode(&b.report)
	} else {
		printTables(stdout, &b.report)
	}
	if err != nil || o.out == "" {
		return err
	}
	return writeFiles(o.out, &b.report)
}

func printList(to io.Writer, o *options, works []Work, peers []*Peer) {
	fmt.Fprintln(to, "work (* with --quick):")
	for _, w := range works {
		mark := " "
		if w.quick {
			mark = "*"
		}
		fmt.Fprintf(to, "  %s %-24s %s: %s\n", mark, w.name, w.title, strings.Join(w.peers, ", "))
	}
	fmt.Fprintln(to, "\npeers:")
	for _, p := range peers {
		have := ""
		if p.program != "" && find(p.program) == "" {
			have = " (not installed)"
		}
		fmt.Fprintf(to, "    %-24s %s%s\n", p.name, p.title, have)
	}
	_, guess := (&bench{o: o, peers: peers}).steps(works)
	again := *o
	again.rounds += o.repeats
	_, most := (&bench{o: &again, peers: peers}).steps(works)
	fmt.Fprintf(to, "\nabout %s, and %s if every work is disturbed\n", guess.Round(time.Second), most.Round(time.Second))
}
