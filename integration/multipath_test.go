package integration

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"sluice/internal/testnet"
)

func init() {
	// rounds ADDRESS exchanges a stream by MPTCP, says so after each round, and
	// ends well when its input does.
	helpers["rounds"] = rounds
}

func rounds() error {
	c, err := testnet.TryDial(testnet.ByMultipath(os.Args[1]), patience)
	if err != nil {
		return err
	}
	defer c.Close()
	enough := make(chan struct{})
	go func() { io.Copy(io.Discard, os.Stdin); close(enough) }()
	for stream := testnet.Stream(0); ; stream++ {
		if _, err := testnet.Exchange(c, stream, roundBytes); err != nil {
			return fmt.Errorf("round %d: %w", stream, err)
		}
		fmt.Printf("{\"msg\":\"round\",\"accepted\":%d}\n", stream+1)
		select {
		case <-enough:
			if err := c.CloseWrite(); err != nil {
				return err
			}
			if n, err := io.Copy(io.Discard, c); n != 0 || err != nil {
				return fmt.Errorf("at the end: %d bytes, %w", n, err)
			}
			fmt.Printf("{\"msg\":\"done\",\"accepted\":%d}\n", stream+1)
			return nil
		case <-time.After(time.Millisecond): // its pace
		}
	}
}

const roundBytes = 1 << 20

// twoPaths are two namespaces with two links between them, path1 and path2. The second has
// another address of the server, told to clients by MPTCP.
type twoPaths struct {
	hosts
	mptcp bool
}

func newTwoPaths(t *testing.T) *twoPaths {
	t.Helper()
	testnet.NeedRoot(t)
	testnet.Need(t, "ip")
	h := &twoPaths{hosts{client: fmt.Sprintf("sluice-%d-pc", os.Getpid()), sluice: fmt.Sprintf("sluice-%d-ps", os.Getpid())}, false}
	for _, ns := range []string{h.client, h.sluice} {
		Output(t, "ip", "netns", "add", ns)
		t.Cleanup(func() { exec.Command("ip", "netns", "del", ns).Run() })
		h.in(t, ns, "ip link set lo up")
	}
	for i, link := range []string{"path1", "path2"} {
		Output(t, "ip", "link", "add", link, "netns", h.sluice, "type", "veth", "peer", "name", link, "netns", h.client)
		for host, ns := range []string{h.sluice, h.client} {
			h.in(t, ns, fmt.Sprintf("ip addr add 10.78.%d.%d/24 dev %s", i+1, host+1, link))
			h.in(t, ns, "ip link set "+link+" up")
		}
	}
	enabled, err := exec.Command(testnet.Find("ip"), "netns", "exec", h.sluice, "cat", "/proc/sys/net/mptcp/enabled").Output()
	h.mptcp = err == nil && strings.TrimSpace(string(enabled)) == "1"
	if h.mptcp {
		h.in(t, h.sluice, "ip mptcp limits set subflow 2")
		h.in(t, h.sluice, "ip mptcp endpoint add 10.78.2.1 dev path2 signal")
		h.in(t, h.client, "ip mptcp limits set subflow 2 add_addr_accepted 2")
	}
	return h
}

// joined is how many paths were ever added to connections in a namespace.
func (h *twoPaths) joined(t *testing.T) int {
	t.Helper()
	lines := strings.Split(h.in(t, h.sluice, "cat /proc/net/netstat"), "\n")
	for i, line := range lines {
		if !strings.HasPrefix(line, "MPTcpExt:") || i+1 == len(lines) {
			continue
		}
		values := strings.Fields(lines[i+1])
		for at, name := range strings.Fields(line) {
			if name == "MPJoinAckRx" {
				n, _ := strconv.Atoi(values[at])
				return n
			}
		}
	}
	return 0
}

// start has a client make rounds through a sluice that is asked for MPTCP.
func (h *twoPaths) start(t *testing.T, relay string) (p *Process, client *roundsClient) {
	t.Helper()
	_, echo := helperAt(t, h.sluice, nil, "echo", "127.0.0.1:7")
	if _, ok := echo.Await(0, patience, Says("ready")); !ok {
		t.Fatal("no backend")
	}
	p = Sluice(t, Setup{Bind: []string{":443"}, Backends: []string{"127.0.0.1:7"}, Relay: relay, Listener: "multipath = true"}.TOML()+adminSocket(t), at(h.sluice))
	input, end, err := os.Pipe()
	testnet.Must(t, "pipe", err)
	t.Cleanup(func() { end.Close() })
	_, said := helperAt(t, h.client, input, "rounds", "10.78.1.1:443")
	input.Close()
	return p, &roundsClient{t, said, end}
}

type roundsClient struct {
	t    *testing.T
	said *Journal
	end  *os.File
}

// goesOn waits for some rounds more that begin from now on.
func (c *roundsClient) goesOn(when string) {
	c.t.Helper()
	from := c.said.Len()
	testnet.Eventually(c.t, patience, when+": it goes on", func() bool { return c.said.Len() >= from+3 })
}

// ends waits for its end, and returns how many bytes it has sent and had back.
func (c *roundsClient) ends() int64 {
	c.t.Helper()
	c.end.Close()
	l, ok := c.said.Await(0, patience, Says("done"))
	if !ok {
		c.t.Fatalf("the client has not ended well:\n%s", c.said.Tail(3))
	}
	return l.Accepted * roundBytes
}

// A connection of two paths is carried over a kill and an upgrade while bytes go over
// both, goes on when the first path is lost, is carried over again, and loses no
// byte. Without MPTCP it has one path, which is left in peace.
func TestAConnectionOutlivesAPathAndTheProcess(t *testing.T) {
	for _, relay := range []string{"splice", "copy"} {
		t.Run(relay, func(t *testing.T) {
			h := newTwoPaths(t)
			p, client := h.start(t, relay)
			client.goesOn("at first")
			if h.mptcp {
				testnet.Eventually(t, patience, "there are two paths", func() bool { return h.joined(t) > 0 })
			}
			carried := func(l Line) {
				t.Helper()
				if l.Connections != 1 || l.Reset != 0 {
					t.Errorf("%s", l.Raw)
				}
			}
			carried(p.KillWorker())
			client.goesOn("after a kill")
			from := p.Len()
			if code, said := p.Upgrade(""); code != 0 {
				t.Errorf("upgrade: exit %d, %s", code, said)
			}
			carried(p.TakenOver(from))
			client.goesOn("after an upgrade")
			if h.mptcp {
				h.in(t, h.client, "ip link set path1 down")
				client.goesOn("with the first path lost")
				carried(p.KillWorker())
				client.goesOn("after a kill with one path")
			}
			sent := client.ends()
			wantRecord(t, p, "completed", sent, sent)
			if last := p.Stop(); strings.Contains(last.Raw, `"multipath":1`) != h.mptcp {
				t.Errorf("%s", last.Raw)
			}
		})
	}
}

// Where MPTCP is turned off a listener that asks for it says so once, and serves TCP.
func TestMPTCPTurnedOffIsSaidOnce(t *testing.T) {
	h := newTwoPaths(t)
	if h.mptcp {
		h.in(t, h.sluice, "sysctl -qw net.mptcp.enabled=0")
	}
	p, client := h.start(t, "splice")
	client.goesOn("by TCP")
	from := p.Len()
	p.Signal(syscall.SIGHUP)
	if _, ok := p.Await(from, patience, Says("reloaded")); !ok {
		t.Error("it does not reload")
	}
	carried := p.KillWorker()
	client.goesOn("after a kill")
	sent := client.ends()
	wantRecord(t, p, "completed", sent, sent)
	p.Stop()
	said := p.All(func(l Line) bool { return strings.HasPrefix(l.Msg, "no MPTCP:") })
	if len(said) != 1 || said[0].Level != "warn" || said[0].Listener != "web" || said[0].Error == "" || carried.Connections != 1 {
		t.Errorf("%d lines, the first of %+v", len(said), said)
	}
}

// A client that never heard of MPTCP is served by a listener that has it, and one
// that speaks it is shown as such.
func TestWhoSpeaksMPTCPIsShown(t *testing.T) {
	peer := testnet.Start(t, "tcp4", testnet.Echo)
	p := Sluice(t, Setup{Backends: []string{peer.Address}, Listener: "multipath = true"}.TOML()+adminSocket(t))
	for speaks, front := range map[bool]string{false: p.Front("web"), true: testnet.ByMultipath(p.Front("web"))} {
		c := testnet.Dial(t, front)
		_, err := testnet.Exchange(c, 1, 100_000)
		testnet.Must(t, "exchange", err)
		code, said := p.Command("conns", "--json")
		if want := fmt.Sprintf(`"multipath": %v`, speaks && testnet.HasMPTCP()); code != 0 || !strings.Contains(said, want) {
			t.Errorf("%s: exit %d, want %s in %s", front, code, want, said)
		}
		testnet.Must(t, "finish", c.CloseWrite())
		testnet.Must(t, "receive the end", testnet.Stream(0).Receive(c, 0))
		wantCause(t, p, "completed")
	}
}
