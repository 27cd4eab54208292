package integration

import (
	"net"
	"strings"
	"testing"

	"sluice/internal/testnet"
)

func TestRedis(t *testing.T) {
	tools := testnet.Need(t, "redis-server", "redis-benchmark", "redis-cli")
	address := testnet.FreeAddress(t, "tcp4")
	host, port, _ := net.SplitHostPort(address)
	Run(t, tools[0], "--bind", host, "--port", port, "--save", "", "--appendonly", "no", "--dir", testnet.Dir(t)).
		AwaitAnswer(address)
	cli := func(t *testing.T, at string, args ...string) string {
		h, p, _ := net.SplitHostPort(at)
		return strings.TrimSpace(Output(t, tools[2], append([]string{"-h", h, "-p", p}, args...)...))
	}

	overPaths(t, func(p Path) bool { return p.server == "tcp4" && p.ByProgram() }, func(t *testing.T, p Path) {
		front, _ := p.To(t, nil, address)
		host, port, _ := net.SplitHostPort(front)
		bench := func(t *testing.T, args ...string) {
			out := Output(t, tools[1], append([]string{"-h", host, "-p", port, "-q"}, args...)...)
			if strings.Contains(strings.ToLower(out), "error") {
				t.Errorf("redis-benchmark says\n%s", out)
			}
		}
		t.Run("one at a time", func(t *testing.T) {
			cli(t, address, "flushall")
			bench(t, "-c", "50", "-n", "20000", "-t", "ping,set,get,lpush,mset")
			if got := cli(t, front, "llen", "mylist"); got != "20000" {
				t.Errorf("%s of 20000 pushes were done", got)
			}
		})
		t.Run("pipelined", func(t *testing.T) {
			cli(t, address, "flushall")
			bench(t, "-c", "50", "-n", "64000", "-P", "64", "-t", "lpush,get")
			if got := cli(t, front, "llen", "mylist"); got != "64000" {
				t.Errorf("%s of 64000 pushes were done", got)
			}
		})
		t.Run("large values", func(t *testing.T) {
			bench(t, "-c", "8", "-n", "200", "-d", "1000000", "-t", "set,get")
			if got := cli(t, front, "strlen", "key:__rand_int__"); got != "1000000" {
				t.Errorf("the value has %s bytes", got)
			}
		})
		t.Run("a connection for each request", func(t *testing.T) {
			bench(t, "-k", "0", "-c", "20", "-n", "2000", "-t", "ping_mbulk")
		})
	})
}
