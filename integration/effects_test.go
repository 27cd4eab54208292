package integration

import (
	"encoding/json"
	"fmt"
	"os/exec"
	"strings"
	"testing"

	"sluice/internal/testnet"
)

// count has a namespace count the packets that leave it and meet a condition of
// nftables.
func (h *hosts) count(t *testing.T, ns, name, condition string) (packets func() int) {
	t.Helper()
	nft := testnet.Need(t, "nft")[0]
	h.in(t, ns, nft+" add table inet "+name)
	h.in(t, ns, nft+" add chain inet "+name+" out { type filter hook postrouting priority 0 ; }")
	h.in(t, ns, nft+" add counter inet "+name+" c")
	h.in(t, ns, nft+" add rule inet "+name+" out "+condition+" counter name c")
	return func() int {
		var list struct {
			Nftables []struct {
				Counter *struct{ Packets int }
			}
		}
		text := h.in(t, ns, nft+" -j list counter inet "+name+" c")
		testnet.Must(t, "read what nft lists", json.Unmarshal([]byte(text), &list))
		for _, one := range list.Nftables {
			if one.Counter != nil {
				return one.Counter.Packets
			}
		}
		t.Fatalf("nft lists no counter: %s", text)
		return 0
	}
}

// web runs HAProxy at the backend, which answers with the address that it sees.
func (h *hosts) web(t *testing.T) {
	t.Helper()
	tools := testnet.Need(t, "haproxy", "ip")
	runWith(t, "ip", "haproxy.cfg", haproxyConfig(`
frontend http
	mode http
	bind 10.77.2.2:80
	bind fd77:2::2:80
	http-request return status 200 content-type text/plain lf-string "%[src]\n"
`), "netns", "exec", h.backend, tools[0], "-db", "-f", "FILE")
	testnet.Eventually(t, patience, "HAProxy listens", func() bool {
		_, err4 := h.asks(h.backend, "http://10.77.2.2/")
		_, err6 := h.asks(h.backend, "http://[fd77:2::2]/")
		return err4 == nil && err6 == nil
	})
}

// asks is what one of the hosts is answered. More are options of curl.
func (h *hosts) asks(from, url string, more ...string) (string, error) {
	args := append([]string{"netns", "exec", from, testnet.Find("curl"), "-gsS", "--connect-timeout", "5", "--max-time", "20", url}, more...)
	out, err := exec.Command(testnet.Find("ip"), args...).Output()
	return strings.TrimSpace(string(out)), err
}

// wantAnswer has the client ask three times.
func (h *hosts) wantAnswer(t *testing.T, url, want string) {
	t.Helper()
	for range 3 {
		if got, err := h.asks(h.client, url); got != want || err != nil {
			t.Errorf("%s: got %q, %v; want %q", url, got, err, want)
		}
	}
}

// TestMarkAndInterfaceOnPackets: every packet to a client of the marked listener has
// its mark, and no other; those of a listener that is bound to an interface leave by
// it, though the route is another.
func TestMarkAndInterfaceOnPackets(t *testing.T) {
	testnet.Need(t, "curl", "nft", "haproxy")
	h := newHosts(t)
	h.web(t)
	Sluice(t, `
[listeners.marked]
bind = ["10.77.1.1:81"]
pool = "web"
mark = 7
[listeners.plain]
bind = ["10.77.1.1:82"]
pool = "web"
[listeners.bound]
bind = ["10.77.1.1:83"]
pool = "web"
interface = "to1"
`+poolTo("web", "10.77.2.2:80", ""), at(h.sluice))
	marked := h.count(t, h.sluice, "marked", "tcp sport 81 meta mark 7")
	unmarked := h.count(t, h.sluice, "unmarked", "tcp sport 81 meta mark != 7")
	others := h.count(t, h.sluice, "others", "tcp sport != 81 meta mark 7")
	h.wantAnswer(t, "http://10.77.1.1:81/", "10.77.2.1")
	h.wantAnswer(t, "http://10.77.1.1:82/", "10.77.2.1")
	if marked() == 0 || unmarked() != 0 || others() != 0 {
		t.Errorf("%d packets are marked, %d are not, and %d of others are", marked(), unmarked(), others())
	}

	for _, of := range []string{"all", "default", "to1", "to2"} {
		h.in(t, h.sluice, fmt.Sprintf("sysctl -qw net.ipv4.conf.%s.rp_filter=0", of))
	}
	h.in(t, h.sluice, "ip route add 10.77.1.2/32 via 10.77.2.2 dev to2")
	there := h.count(t, h.sluice, "there", "tcp sport 83 oifname to1")
	astray := h.count(t, h.sluice, "astray", "tcp sport 83 oifname to2")
	h.wantAnswer(t, "http://10.77.1.1:83/", "10.77.2.1")
	if there() == 0 || astray() != 0 {
		t.Errorf("%d packets left by the interface, and %d by another", there(), astray())
	}
	strays := h.count(t, h.sluice, "strays", "tcp sport 82 oifname to2")
	if got, err := h.asks(h.client, "http://10.77.1.1:82/", "--connect-timeout", "1"); err == nil || strays() == 0 {
		t.Errorf("without the interface the client was answered %q, and %d packets took the route", got, strays())
	}
}

// TestFreebindServesAnAddressThatComesLater: and without it such an address is a
// fault at the start.
func TestFreebindServesAnAddressThatComesLater(t *testing.T) {
	testnet.Need(t, "curl", "haproxy")
	h := newHosts(t)
	h.web(t)
	for _, rule := range []string{"ip rule del iif to1 lookup 100", "ip -6 rule del iif to1 lookup 100"} {
		h.in(t, h.sluice, rule) // else every address is sluice's
	}
	listener := func(more string) string {
		return "[listeners.later]\nbind = [\"10.77.8.8:80\", \"[fd77:8::8]:80\"]\npool = \"web\"\n" + more + poolTo("web", "10.77.2.2:80", "")
	}
	early := Launch(t, listener(""), at(h.sluice))
	if code := early.Exit(patience); code != 1 {
		t.Errorf("without freebind sluice ended with %d, want 1", code)
	}
	early.Say(patience, "why", func(l Line) bool { return strings.Contains(l.Raw, "cannot assign requested address") })

	Sluice(t, listener("freebind = true\n"), at(h.sluice))
	h.in(t, h.sluice, "ip addr add 10.77.8.8/32 dev to1")
	h.in(t, h.sluice, "ip addr add fd77:8::8/128 dev to1 nodad")
	h.wantAnswer(t, "http://10.77.8.8/", "10.77.2.1")
	h.wantAnswer(t, "http://[fd77:8::8]/", "10.77.2.1")
}

// TestSourceAddressOnPackets: one of several that the host has.
func TestSourceAddressOnPackets(t *testing.T) {
	testnet.Need(t, "curl", "haproxy")
	h := newHosts(t)
	h.web(t)
	h.in(t, h.sluice, "ip addr add 10.77.2.3/24 dev to2")
	h.in(t, h.sluice, "ip addr add fd77:2::3/64 dev to2 nodad")
	Sluice(t, `
[listeners.four]
bind = ["10.77.1.1:81"]
pool = "four"
[listeners.six]
bind = ["10.77.1.1:82"]
pool = "six"
`+poolTo("four", "10.77.2.2:80", `source = "10.77.2.3"`)+poolTo("six", "[fd77:2::2]:80", `source = "fd77:2::3"`), at(h.sluice))
	h.wantAnswer(t, "http://10.77.1.1:81/", "10.77.2.3")
	h.wantAnswer(t, "http://10.77.1.1:82/", "fd77:2::3")
}
