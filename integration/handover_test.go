package integration

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
	_ "unsafe" // for linkname

	"sluice/internal/keeper"
	"sluice/internal/testnet"
)

// fullVar asks for the full size of the tests of handovers, which takes minutes.
const fullVar = "SLUICE_TEST_FULL"

// sized is a number for every run and one for the full size.
func sized(short, full int) int {
	if os.Getenv(fullVar) != "" {
		return full
	}
	return short
}

// KillWorker kills the process that serves with SIGKILL and waits until another
// does. It returns what that one says.
func (p *Process) KillWorker() Line {
	p.tb.Helper()
	from := p.Len()
	testnet.Must(p.tb, "kill", syscall.Kill(p.PID(), syscall.SIGKILL))
	return p.TakenOver(from)
}

// TakenOver waits for a process to say that it has taken over, after line from.
func (p *Process) TakenOver(from int) Line {
	p.tb.Helper()
	l, ok := p.Await(from, patience, func(l Line) bool { return strings.HasPrefix(l.Msg, "took over") })
	if !ok {
		p.tb.Fatalf("nobody takes over:\n%s", p.Tail(30))
	}
	return l
}

// Upgrade runs "sluice upgrade" for a process that has the admin socket of
// adminSocket.
func (p *Process) Upgrade(binary string) (code int, said string) {
	p.tb.Helper()
	if binary != "" {
		return p.Command("upgrade", "--binary", binary)
	}
	return p.Command("upgrade")
}

// Command runs a command of sluice for such a process.
func (p *Process) Command(args ...string) (code int, said string) {
	p.tb.Helper()
	c := exec.Command(os.Args[0], append(args, "--config", p.config)...)
	c.Env = append(os.Environ(), asVar+"=sluice", "GORACE=atexit_sleep_ms=0")
	out, err := c.CombinedOutput()
	var bad *exec.ExitError
	if err != nil && !errors.As(err, &bad) {
		p.tb.Fatalf("sluice %s: %v", args[0], err)
	}
	return c.ProcessState.ExitCode(), string(out)
}

// adminSocket is a configuration's part for an API that Upgrade can ask.
func adminSocket(tb testing.TB) string {
	return fmt.Sprintf("\n[admin]\nbind = \"\"\nsocket = %q\n", testnet.SocketPath(tb))
}

// Settle waits until the process that serves has done so for so long that its death
// does not count for a crash loop.
func (p *Process) Settle() {
	p.tb.Helper()
	serving := p.All(func(l Line) bool { return l.Msg == "started" || strings.HasPrefix(l.Msg, "took over") })
	since := serving[len(serving)-1].At
	testnet.Eventually(p.tb, patience, "it has served for long enough", func() bool { return time.Since(since) > keeper.Short })
}

func TestHandoverUnderKills(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	underHandovers(t, sized(3, 10), func(p *Process) Line {
		p.Settle()
		time.Sleep(time.Duration(random.IntN(sized(200, 4500))) * time.Millisecond) // any moment
		return p.KillWorker()
	})
}

func TestHandoverUnderUpgrades(t *testing.T) {
	p, made := underHandovers(t, sized(1, 10), func(p *Process) Line {
		from := p.Len()
		if code, said := p.Upgrade(""); code != 0 || !strings.Contains(said, "upgraded to dev") {
			t.Errorf("upgrade: exit %d, %s", code, said)
		}
		return p.TakenOver(from)
	})
	if n := len(p.All(Connections)); n != made {
		t.Errorf("%d records of %d connections", n, made)
	}
}

func TestHandoverToAnotherProgramStays(t *testing.T) {
	peer := testnet.Start(t, "tcp4", testnet.Echo)
	p := Sluice(t, Setup{Backends: []string{peer.Address}}.TOML()+adminSocket(t))
	c := testnet.Dial(t, p.Front("web"))
	next := binaryAs(t, "sluice-next")
	if code, said := p.Upgrade(next); code != 0 || !strings.Contains(said, "1 connection carried over") {
		t.Fatalf("upgrade: exit %d, %s", code, said)
	}
	for range 2 {
		_, err := testnet.Exchange(c, 1, 1000)
		testnet.Must(t, "exchange", err)
		if path, _ := os.Readlink(fmt.Sprintf("/proc/%d/exe", p.PID())); path != next {
			t.Errorf("%s serves, want %s", path, next)
		}
		p.KillWorker()
	}
	from := p.Len()
	p.Signal(syscall.SIGHUP)
	if _, ok := p.Await(from, patience, Says("reloaded")); !ok {
		t.Errorf("HUP is not heard:\n%s", p.Tail(20))
	}
	c.Close()
}

// failures are programs that fail in the place of another: this binary, under
// another name. They are sluice but for what they do when they take over.
var failures = map[string]func(){
	"ends-at-once":        func() { os.Exit(1) },
	"hangs":               func() { select {} },
	"crashes-in-a-second": func() { time.AfterFunc(time.Second, func() { panic("as asked") }) },
}

// bookVersion is the version of what a process keeps of its connections.
//
//go:linkname bookVersion sluice/proxy.layoutVersion
var bookVersion int

// bookNeeds are the fields without which it can carry none.
//
//go:linkname bookNeeds sluice/proxy.essential
var bookNeeds []string

// failIfAsked fails in the way that the name of this binary says.
func failIfAsked() {
	path, _ := os.Executable()
	switch filepath.Base(path) {
	case "another-book":
		bookVersion++
	case "another-layout": // of the same version
		bookNeeds = append(bookNeeds, "conn.down.carriage")
	}
	if fail := failures[filepath.Base(path)]; fail != nil && os.Getenv("SLUICE_ROLE") == "worker" {
		fail()
	}
}

// binaryAs is a copy of this binary of another name.
func binaryAs(t *testing.T, name string) string {
	t.Helper()
	path := filepath.Join(testnet.Dir(t), name)
	from, err := os.Open(os.Args[0])
	testnet.Must(t, "open this binary", err)
	defer from.Close()
	to, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY, 0o755)
	testnet.Must(t, "copy this binary", err)
	_, err = io.Copy(to, from)
	testnet.Must(t, "copy this binary", errors.Join(err, to.Close()))
	return path
}

func TestHandoverToABrokenProgramIsRolledBack(t *testing.T) {
	for name, why := range map[string]string{
		"ends-at-once":        "it ended before it had taken over",
		"hangs":               "it had not taken over when its time was over",
		"crashes-in-a-second": "it ended soon after it had taken over",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			peer := testnet.Start(t, "tcp4", testnet.Echo)
			p := Sluice(t, Setup{Backends: []string{peer.Address}}.TOML()+adminSocket(t))
			c := testnet.Dial(t, p.Front("web"))
			_, err := testnet.Exchange(c, 1, 100_000)
			testnet.Must(t, "exchange", err)
			code, said := p.Upgrade(binaryAs(t, name))
			if code != 1 || !strings.Contains(said, "upgrade 1 failed, the old program goes on: rolled back") || !strings.Contains(said, why) {
				t.Errorf("upgrade: exit %d, %s", code, said)
			}
			_, err = testnet.Exchange(c, 1, 100_000)
			testnet.Must(t, "exchange", err)
			p.KillWorker() // what serves now is no new program on probation
			_, err = testnet.Exchange(c, 1, 100_000)
			testnet.Must(t, "exchange", err)
			c.Close()
			p.panics = true // the one that was asked to
		})
	}
}

func TestHandoverToWhatCannotGoOnIsRefused(t *testing.T) {
	text := filepath.Join(testnet.Dir(t), "text")
	testnet.Must(t, "write", os.WriteFile(text, []byte("no program"), 0o644))
	peer := testnet.Start(t, "tcp4", testnet.Echo)
	p := Sluice(t, Setup{Backends: []string{peer.Address}}.TOML()+adminSocket(t))
	pid := p.PID()
	c := testnet.Dial(t, p.Front("web"))
	defer c.Close()
	for binary, why := range map[string]string{
		binaryAs(t, "another-book"):   "its connections are of version 2, this one's of 1",
		binaryAs(t, "another-layout"): "its connections need conn.down.carriage, which this one does not keep",
		text:                          "permission denied",
		filepath.Dir(text):            "permission denied",
		filepath.Dir(text) + "x":      "no such file",
		"/bin/true":                   "is not sluice",
		"/bin/false":                  "does not say what it is",
	} {
		code, said := p.Upgrade(binary)
		if code != 1 || !strings.Contains(said, why) {
			t.Errorf("upgrade to %s: exit %d, %s, want %q", binary, code, said, why)
		}
	}
	if p.PID() != pid || len(p.All(func(l Line) bool { return strings.HasPrefix(l.Msg, "took over") })) > 0 {
		t.Error("there was a handover")
	}
	_, err := testnet.Exchange(c, 1, 1000)
	testnet.Must(t, "exchange", err)
}

func TestHandoverLeavesNoDescriptorBehind(t *testing.T) {
	peer := testnet.Start(t, "tcp4", testnet.Echo)
	p := Sluice(t, Setup{Backends: []string{peer.Address}}.TOML())
	c := testnet.Dial(t, p.Front("web"))
	_, err := testnet.Exchange(c, 1, 100_000)
	testnet.Must(t, "exchange", err)
	p.KillWorker()
	before := p.Usage()
	for range sized(3, 50) {
		p.Settle()
		p.KillWorker()
		_, err := testnet.Exchange(c, 1, 100_000)
		testnet.Must(t, "exchange", err)
	}
	testnet.Eventually(t, patience, "no more descriptors than before", func() bool {
		now := p.Usage()
		return now.Sockets == before.Sockets && now.Pipes <= before.Pipes && now.Others == before.Others
	})
	t.Logf("before %v, then %v", before, p.Usage())
}

func TestACrashLoopEndsInACleanStart(t *testing.T) {
	peer := testnet.Start(t, "tcp4", testnet.Echo)
	front := testnet.FreeAddress(t, "tcp4")
	p := Sluice(t, Setup{Bind: []string{front}, Backends: []string{peer.Address}}.TOML())
	p.KillWorker()
	p.KillWorker()
	testnet.Must(t, "kill", syscall.Kill(p.PID(), syscall.SIGKILL))
	l := p.Say(patience, "a clean start", func(l Line) bool { return strings.HasPrefix(l.Msg, "started clean") })
	if l.Level != "error" || !strings.Contains(l.Msg, "killed by signal 9") {
		t.Errorf("%s", l.Raw)
	}
	c := testnet.Dial(t, front)
	_, err := testnet.Exchange(c, 1, 1000)
	testnet.Must(t, "exchange", err)
	c.Close()
}

// A program that a health check runs gets no descriptor of a connection, also
// when they came over from a process before.
func TestChildrenInheritNothing(t *testing.T) {
	dir := testnet.Dir(t)
	list := filepath.Join(dir, "list")
	script := filepath.Join(dir, "check")
	text := fmt.Sprintf("#!/bin/sh\nreadlink /proc/self/fd/* >%[1]s.new\nmv %[1]s.new %[1]s\n", list)
	testnet.Must(t, "write a check", os.WriteFile(script, []byte(text), 0o755))
	peer := testnet.Start(t, "tcp4", testnet.Echo)
	p := Sluice(t, Setup{
		Backends: []string{peer.Address},
		Health:   fmt.Sprintf("type = \"exec\"\ncommand = [%q]\ninterval = \"100ms\"", script),
	}.TOML())
	c := testnet.Dial(t, p.Front("web"))
	_, err := testnet.Exchange(c, 1, 100_000)
	testnet.Must(t, "exchange", err)
	var got []byte
	testnet.Eventually(t, patience, "a check has run", func() bool { got, _ = os.ReadFile(list); return len(got) > 0 })
	p.KillWorker()
	testnet.Must(t, "remove", os.Remove(list))
	testnet.Eventually(t, patience, "a check has run again", func() bool { got, _ = os.ReadFile(list); return len(got) > 0 })
	for _, bad := range []string{"socket:", "memfd:", "eventpoll", "eventfd", "pidfd"} {
		if strings.Contains(string(got), bad) {
			t.Errorf("a check has inherited %s:\n%s", bad, got)
		}
	}
}
