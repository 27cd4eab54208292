package integration

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"

	"sluice/internal/testnet"
)

// hosts are three network namespaces in a row, client - sluice - backend, with
// addresses of IPv4 and IPv6, in which sluice is the router of the two others and
// takes whatever comes to it for its own.
type hosts struct{ client, sluice, backend string }

func newHosts(t *testing.T) *hosts {
	t.Helper()
	testnet.NeedRoot(t)
	testnet.Need(t, "ip")
	name := func(part string) string { return fmt.Sprintf("sluice-%d-%s", os.Getpid(), part) }
	h := &hosts{name("c"), name("s"), name("b")}
	for _, ns := range []string{h.client, h.sluice, h.backend} {
		Output(t, "ip", "netns", "add", ns)
		t.Cleanup(func() { exec.Command("ip", "netns", "del", ns).Run() })
		h.in(t, ns, "ip link set lo up")
	}
	for i, end := range []string{h.client, h.backend} {
		near := fmt.Sprintf("to%d", i+1)
		Output(t, "ip", "link", "add", near, "netns", h.sluice, "type", "veth", "peer", "name", "eth0", "netns", end)
		for _, command := range []string{
			"ip addr add 10.77.%d.1/24 dev " + near, "ip addr add fd77:%d::1/64 dev " + near + " nodad", "ip link set " + near + " up",
			"ip rule add iif " + near + " lookup 100", "ip -6 rule add iif " + near + " lookup 100",
		} {
			h.in(t, h.sluice, strings.ReplaceAll(command, "%d", fmt.Sprint(i+1)))
		}
		for _, command := range []string{
			"ip addr add 10.77.%d.2/24 dev eth0", "ip addr add fd77:%d::2/64 dev eth0 nodad", "ip link set eth0 up",
			"ip route add default via 10.77.%d.1", "ip -6 route add default via fd77:%d::1",
		} {
			h.in(t, end, strings.ReplaceAll(command, "%d", fmt.Sprint(i+1)))
		}
	}
	h.in(t, h.sluice, "ip route add local 0.0.0.0/0 dev lo table 100")
	h.in(t, h.sluice, "ip -6 route add local ::/0 dev lo table 100")
	return h
}

// in runs a command in one of them to its end.
func (h *hosts) in(t *testing.T, ns, command string) string {
	t.Helper()
	return Output(t, "ip", append([]string{"netns", "exec", ns}, strings.Fields(command)...)...)
}

// at has a command run in one of them.
func at(ns string) Option {
	return func(c *exec.Cmd) {
		ip := testnet.Find("ip")
		c.Args = append([]string{ip, "netns", "exec", ns}, c.Args...)
		c.Path = ip
	}
}

// TestTransparentBetweenHosts has backends see the client's own address, and clients
// reach sluice at an address that nobody has.
func TestTransparentBetweenHosts(t *testing.T) {
	testnet.Need(t, "haproxy", "curl", "ip")
	h := newHosts(t)
	h.web(t)
	Sluice(t, `
[listeners.four]
bind = ["10.77.9.9:80"]
pool = "four"
transparent = true
mark = 7
interface = "to1"
[listeners.six]
bind = ["[fd77:9::9]:80"]
pool = "six"
transparent = true
[listeners.own]
bind = ["10.77.1.1:81"]
pool = "own"
[listeners.later]
bind = ["10.77.8.8:80"]
pool = "own"
freebind = true
`+poolTo("four", "10.77.2.2:80", `source = "client"`)+poolTo("six", "[fd77:2::2]:80", `source = "client"`)+poolTo("own", "10.77.2.2:80", `source = "10.77.2.1"`), at(h.sluice))
	for url, want := range map[string]string{
		"http://10.77.9.9/": "10.77.1.2", "http://[fd77:9::9]/": "fd77:1::2", "http://10.77.1.1:81/": "10.77.2.1",
	} {
		h.wantAnswer(t, url, want)
	}
}

// TestSourceClientIsRefusedWhereItCannotBe says so at the start, not to clients.
func TestSourceClientIsRefusedWhereItCannotBe(t *testing.T) {
	testnet.NeedRoot(t)
	p := Launch(t, Setup{Backends: []string{"127.0.0.1:9"}, Pool: `source = "client"`}.TOML(), AsNobody)
	if code := p.Exit(patience); code != 1 {
		t.Errorf("sluice ended with %d, want 1", code)
	}
	p.Say(patience, "why", func(l Line) bool { return strings.Contains(l.Raw, "pool web: source client takes CAP_NET_ADMIN") })
}
