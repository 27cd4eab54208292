package relay

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var retell = flag.Bool("relay.retell", false, "write the stories anew as they happen")

// A stage plays a story: blocks of orders, a line "----", then what the shell
// did. Its kernel is calm, so that nothing happens that is not told. Orders:
//
//	new [tcp|unix] room=N slots=N page=N fills=N
//	arrive N, urgent N (N bytes, the first urgent), announce, fin, reset
//	event      collect what waits, tell it, take a turn
//	stray      an event for nothing
//	turn       the next turn of a Flow that yielded
//	room N, breaks, signal N (the next drain is interrupted at N bytes)
//	elsewhere  the reset's error is collected by another call
type stage struct {
	shell
	out []string
}

func (s *stage) order(line string) error {
	word, rest, _ := strings.Cut(line, " ")
	n := 0
	if _, err := fmt.Sscan(rest, &n); err != nil && word != "new" && rest != "" {
		return fmt.Errorf("order %q: want a number", line)
	}
	if s.k == nil && word != "new" {
		return fmt.Errorf("order %q: want new first", line)
	}
	k := s.k
	switch word {
	case "new":
		return s.open(strings.Fields(rest))
	case "arrive":
		k.arrive(n, false)
	case "urgent":
		k.announce()
		k.arrive(n, false)
	case "announce":
		k.announce()
	case "fin":
		k.end()
	case "reset":
		k.abort()
	case "elsewhere":
		k.taken = true
	case "room":
		k.free(n)
	case "breaks":
		k.breakSink()
	case "signal":
		k.cutAt = n
	case "event":
		if !k.srcEdge && !k.sinkEdge {
			s.say("no event")
			return nil
		}
		if k.srcEdge {
			s.tell(k.sourceEdge())
		}
		if k.sinkEdge {
			s.tell(k.sinkEdgeNow())
		}
		s.play()
	case "stray":
		s.tell(edge{in: true})
		s.play()
	case "turn":
		s.play()
	default:
		return fmt.Errorf("order %q: no such order", line)
	}
	return k.fault
}

func (s *stage) open(options []string) error {
	s.k = newKernel(nil)
	s.k.calm = true
	s.f, s.fills = new(Flow), 4
	for _, o := range options {
		name, value, _ := strings.Cut(o, "=")
		n := 0
		if _, err := fmt.Sscan(value, &n); err != nil && value != "" {
			return fmt.Errorf("new: %s: want a number", o)
		}
		switch name {
		case "tcp", "unix":
			s.k.tcp = name == "tcp"
		case "room":
			s.k.room, s.k.size = n, n
		case "slots":
			s.k.slots = n
		case "page":
			s.k.page = n
		case "fills":
			s.fills = uint8(n)
		default:
			return fmt.Errorf("new: %s: no such option", o)
		}
	}
	s.say = func(format string, args ...any) { s.out = append(s.out, fmt.Sprintf(format, args...)) }
	s.f.Init()
	return nil
}

func (s *stage) play() {
	if s.turn() != Done {
		return
	}
	switch {
	case s.f.Cut():
		s.say("the sink broke")
	case s.f.Broken():
		s.say("the source broke: reset the sink")
	default:
		s.say("ended after %d bytes", s.k.got)
	}
}

// tellStory plays a whole file and returns it with what happened put in.
func tellStory(text string) (string, error) {
	var b strings.Builder
	var s stage
	for i, block := range strings.Split(strings.TrimSpace(text), "\n\n") {
		if i > 0 {
			b.WriteString("\n")
		}
		orders, _, played := strings.Cut(block+"\n", "----\n")
		b.WriteString(orders)
		for line := range strings.Lines(orders) {
			if line = strings.TrimSpace(line); line == "" || line[0] == '#' {
				continue
			}
			if err := s.order(line); err != nil {
				return "", fmt.Errorf("block %d: %w", i+1, err)
			}
		}
		if played {
			b.WriteString("----\n")
			for _, o := range s.out {
				b.WriteString(o + "\n")
			}
		} else if len(s.out) > 0 {
			return "", fmt.Errorf("block %d: it was not told what happened: %q", i+1, s.out)
		}
		s.out = nil
	}
	return b.String(), nil
}

func TestStoriesHappenAsTold(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("testdata: no stories: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			happened, err := tellStory(string(text))
			if err != nil {
				t.Fatalf("%s: %v", file, err)
			}
			if *retell {
				if err := os.WriteFile(file, []byte(happened), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if got, want := happened, string(text); got != want {
				t.Errorf("%s: it happened otherwise (-relay.retell writes it down):\n%s", file, got)
			}
		})
	}
}
