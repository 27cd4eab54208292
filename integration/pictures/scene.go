package main

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"sluice/internal/testnet"
)

const adminAt = "127.0.0.1:9901"

// configuration has a listener without a pool of its own, a pool with a spare,
// and weights.
const configuration = `
[log]
access = "off"
level = "error"
[listeners.app]
bind = ["203.0.113.10:80", "203.0.113.10:443"]
pool = "app"
max_connections = 2000
[listeners.edge]
bind = "203.0.113.10:8080"
  [[listeners.edge.routes]]
  source = ["198.51.100.0/25"]
  pool = "auth"
  [[listeners.edge.routes]]
  source = ["198.51.100.128/25"]
  pool = "app"
[listeners.postgres]
bind = "203.0.113.10:5432"
pool = "postgres"
[pools.app]
policy = "least_connections"
backends = [
  { name = "app-1", address = "10.0.0.11:80" },
  { name = "app-2", address = "10.0.0.12:80", weight = 2 },
  { name = "app-3", address = "10.0.0.13:80" },
  { name = "app-4", address = "10.0.0.14:80" },
  { name = "spare", address = "10.0.0.19:80", backup = true },
]
[pools.auth]
policy = "round_robin"
backends = [
  { name = "auth-1", address = "10.0.0.21:8443", weight = 2 },
  { name = "auth-2", address = "10.0.0.22:8443" },
]
[pools.postgres]
policy = "first"
backends = [
  { name = "primary", address = "10.0.0.31:5432" },
  { name = "replica", address = "10.0.0.32:5432" },
]
`

var backends = []string{
	"10.0.0.11:80", "10.0.0.12:80", "10.0.0.13:80", "10.0.0.14:80", "10.0.0.19:80",
	"10.0.0.21:8443", "10.0.0.22:8443", "10.0.0.31:5432", "10.0.0.32:5432",
}

// One is down for a while, one stays down, and one is drained.
const (
	restarted = "10.0.0.22:8443"
	stopped   = "10.0.0.13:80"
	drained   = "/v1/pools/app/backends/app-4"
)

type scene struct {
	peers  map[string]*testnet.Peer
	sluice *exec.Cmd
	folder string
	done   context.CancelFunc
}

func setTheScene(ctx context.Context, lasts time.Duration) (s *scene, err error) {
	s = &scene{peers: make(map[string]*testnet.Peer)}
	defer func() {
		if err != nil {
			s.end()
		}
	}()
	for _, command := range []string{"link set lo up", "address add 203.0.113.10/32 dev lo", "address add 198.51.100.0/24 dev lo", "address add 10.0.0.0/24 dev lo"} {
		if out, err := exec.Command("ip", strings.Fields(command)...).CombinedOutput(); err != nil {
			return s, fmt.Errorf("ip %s: %w: %s", command, err, out)
		}
	}
	for _, at := range backends {
		if s.peers[at], err = testnet.Listen(at, serve); err != nil {
			return s, err
		}
	}
	if s.folder, err = os.MkdirTemp("", "sluice-pictures"); err != nil {
		return s, err
	}
	file := filepath.Join(s.folder, "sluice.toml")
	if err := os.WriteFile(file, []byte(configuration), 0o600); err != nil {
		return s, err
	}
	s.sluice = again(0, "sluice", "run", "--config", file)
	if err := s.sluice.Start(); err != nil {
		return s, err
	}
	if !testnet.Until(20*time.Second, func() bool { return request("GET", "/readyz", "") == nil }) {
		return s, errors.New("sluice does not become ready")
	}
	ctx, s.done = context.WithCancel(ctx)
	traffic(ctx)
	go s.incidents(ctx, lasts)
	return s, nil
}

// incidents are what happens to backends, in the order of time.
func (s *scene) incidents(ctx context.Context, lasts time.Duration) {
	pause(ctx, lasts/3)
	s.peers[restarted].Stop()
	pause(ctx, lasts/12)
	p, err := testnet.Listen(restarted, serve)
	if err == nil {
		context.AfterFunc(ctx, p.Stop)
	}
	pause(ctx, lasts/4)
	s.peers[stopped].Stop()
	pause(ctx, lasts/6)
	if err = errors.Join(err, request("PATCH", drained, `{"mode": "drain"}`)); err != nil && ctx.Err() == nil {
		fmt.Fprintf(os.Stderr, "pictures: %v\n", err)
	}
}

func request(method, path, body string) error {
	q, err := http.NewRequest(method, "http://"+adminAt+path, strings.NewReader(body))
	if err != nil {
		return err
	}
	if body != "" {
		q.Header.Set("Content-Type", "application/json")
	}
	r, err := http.DefaultClient.Do(q)
	if err != nil {
		return err
	}
	defer r.Body.Close()
	if r.StatusCode != http.StatusOK {
		return errors.New(r.Status)
	}
	return nil
}

func (s *scene) end() {
	if s.done != nil {
		s.done()
	}
	if s.sluice != nil && s.sluice.Process != nil {
		_ = s.sluice.Process.Signal(syscall.SIGTERM)
		_ = s.sluice.Process.Signal(syscall.SIGTERM)
		_ = s.sluice.Wait()
	}
	for _, p := range s.peers {
		if p != nil {
			p.Stop()
		}
	}
	_ = os.RemoveAll(s.folder)
}

// serve answers a number with so many bytes, some at a time.
func serve(ctx context.Context, c testnet.Conn) {
	var header [8]byte
	piece := make([]byte, 16<<10)
	for {
		if _, err := io.ReadFull(c, header[:]); err != nil {
			return
		}
		for left := binary.BigEndian.Uint64(header[:]); left > 0; {
			n := min(left, uint64(len(piece)))
			if _, err := c.Write(piece[:n]); err != nil {
				return
			}
			left -= n
			pause(ctx, 4*time.Millisecond)
		}
	}
}

func pause(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}
