package integration

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"sync"
	"testing"
	"time"

	"sluice/internal/testnet"
)

func init() {
	// named ADDRESS NAME answers each line with its name, and runs until killed.
	helpers["named"] = func() error {
		_, err := testnet.Listen(os.Args[1], func(_ context.Context, c testnet.Conn) {
			if _, err := bufio.NewReader(c).ReadString('\n'); err == nil {
				io.WriteString(c, os.Args[2])
			}
		})
		if err == nil {
			select {}
		}
		return err
	}
}

// A tally is what the clients of a load have seen.
type tally struct {
	mu      sync.Mutex
	answers map[string]int
	errors  []error // of connections that began after the kill was over
	calm    bool    // no kill is under way
	begun   int     // kills so far
}

func TestNoNewClientSeesABackendKilled(t *testing.T) {
	addresses := map[string]string{}
	start := func(name string) *Program {
		p, _ := Helper(t, "named", addresses[name], name)
		p.AwaitAnswer(addresses[name])
		return p
	}
	backends := map[string]*Program{}
	setup := Setup{
		Pool:   `policy = "round_robin"`,
		Health: "type = \"tcp\"\ninterval = \"100ms\"\nrise = 2\nfall = 2",
	}
	for _, name := range []string{"a", "b", "c"} {
		addresses[name] = testnet.FreeAddress(t, "tcp4")
		backends[name] = start(name)
		setup.Backends = append(setup.Backends, addresses[name])
	}
	proxy := Sluice(t, setup.TOML())
	front := proxy.Front("web")

	seen := &tally{answers: map[string]int{}, calm: true}
	ctx, cancel := context.WithCancel(context.Background())
	var clients sync.WaitGroup
	for range 8 {
		clients.Go(func() {
			for ctx.Err() == nil {
				seen.request(front)
			}
		})
	}
	defer clients.Wait()
	defer cancel()

	answering := func(name string, want bool) {
		t.Helper()
		testnet.Eventually(t, patience, fmt.Sprintf("%s answers: %v", name, want), func() bool {
			return (seen.count(name, 60*time.Millisecond) > 0) == want
		})
	}
	for _, name := range []string{"a", "b", "c"} {
		answering(name, true)
	}
	for range 3 {
		for _, name := range []string{"a", "b"} {
			seen.kill(backends[name])
			answering(name, false)
			backends[name] = start(name)
			answering(name, true)
		}
	}
	cancel()
	clients.Wait()
	for i, err := range seen.errors {
		if i < 5 {
			t.Errorf("a client that came after the kill: %v", err)
		}
	}
	if n := len(seen.errors); n > 0 {
		t.Errorf("%d errors, answers %v", n, seen.answers)
	}
	if down := proxy.All(func(l Line) bool { return l.Part == "health" }); len(down) < 12 {
		t.Errorf("%d lines about health, want one for each of 6 ends and 6 returns", len(down))
	}
}

// request makes one connection with one request.
func (s *tally) request(front string) {
	s.mu.Lock()
	calm, begun := s.calm, s.begun
	s.mu.Unlock()
	name, err := func() (string, error) {
		c, err := testnet.TryDial(front, patience)
		if err != nil {
			return "", err
		}
		defer c.Close()
		if _, err := io.WriteString(c, "who is it?\n"); err != nil {
			return "", err
		}
		name, err := io.ReadAll(c)
		if err == nil && len(name) == 0 {
			err = io.ErrUnexpectedEOF
		}
		return string(name), err
	}()
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case err == nil:
		s.answers[name]++
	// Only a connection that was there when a backend died may break with it.
	case calm && begun == s.begun:
		s.errors = append(s.errors, err)
	}
}

// kill kills a backend. Connections that overlap the kill are not counted.
func (s *tally) kill(p *Program) {
	s.mu.Lock()
	s.calm = false
	s.begun++
	s.mu.Unlock()
	p.Kill()
	s.mu.Lock()
	s.calm = true
	s.mu.Unlock()
}

// count is how many answers of name come within d.
func (s *tally) count(name string, d time.Duration) int {
	get := func() int {
		s.mu.Lock()
		defer s.mu.Unlock()
		return s.answers[name]
	}
	before := get()
	time.Sleep(d)
	return get() - before
}
