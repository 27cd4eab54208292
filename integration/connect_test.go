package integration

import (
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"sluice/internal/testnet"
)

// ask connects and reads to the end. A reset may come before connect returns.
func ask(t *testing.T, front string) (string, error) {
	t.Helper()
	c, err := testnet.TryDial(front, patience)
	if testnet.IsReset(err) {
		return "", err
	}
	testnet.Must(t, "dial", err)
	defer c.Close()
	c.CloseWrite()
	text, err := io.ReadAll(c)
	return string(text), err
}

func TestRefusedConnectGoesToAnotherBackend(t *testing.T) {
	good := testnet.Start(t, "tcp4", testnet.Name("good"))
	gone := "unix:" + filepath.Join(t.TempDir(), "nobody")
	for what, bad := range map[string]string{"refused": testnet.Refusing(t), "no such socket": gone} {
		t.Run(what, func(t *testing.T) {
			p := Sluice(t, Setup{Backends: []string{bad, good.Address}, Pool: `policy = "first"`}.TOML())
			for range 20 {
				if name, err := ask(t, p.Front("web")); name != "good" || err != nil {
					t.Fatalf("got %q, %v", name, err)
				}
			}
			testnet.Eventually(t, 30*time.Second, "20 records", func() bool { return len(p.All(Connections)) == 20 })
			for _, r := range p.All(Connections) {
				if r.Retries != 1 || r.Cause != "completed" || r.Backend != good.Address {
					t.Fatalf("got record %s, want one retry and backend %s", r.Raw, good.Address)
				}
			}
		})
	}
}

func TestSilentBackendTimesOutAndAnotherAnswers(t *testing.T) {
	good := testnet.Start(t, "tcp4", testnet.Name("good"))
	p := Sluice(t, Setup{
		Backends: []string{testnet.Silent(t), good.Address},
		Pool:     "policy = \"first\"\nconnect_timeout = \"300ms\"",
	}.TOML())
	start := time.Now()
	name, err := ask(t, p.Front("web"))
	if d := time.Since(start); name != "good" || err != nil || d < 300*time.Millisecond || d > 10*time.Second {
		t.Errorf("got %q, %v after %v, want good after 300ms", name, err, d)
	}
}

func TestClientOfNoBackendIsTurnedAwayAsConfigured(t *testing.T) {
	silent, refusing := testnet.Silent(t), testnet.Refusing(t)
	const quick = "connect_timeout = \"200ms\"\n"
	for name, tc := range map[string]struct {
		setup Setup
		cause string
	}{
		"refused":         {Setup{Backends: []string{refusing}}, "connect_failed"},
		"refused twice":   {Setup{Backends: []string{refusing, testnet.Refusing(t)}}, "connect_failed"},
		"no retry":        {Setup{Backends: []string{refusing, silent}, Pool: "policy = \"first\"\nretries = 0"}, "connect_failed"},
		"silent":          {Setup{Backends: []string{silent}, Pool: quick}, "connect_timeout"},
		"known to be bad": {Setup{Backends: []string{refusing}, Health: "type = \"tcp\"\ninterval = \"50ms\"\nfall = 1"}, "no_backend"},
		"full": {Setup{Backends: []string{`{ address = "` + silent + `", max_connections = 1 }`},
			Pool: `connect_timeout = "20s"`}, "backends_full"},
	} {
		for _, reject := range []string{"reset", "close"} {
			t.Run(name+"/"+reject, func(t *testing.T) {
				s := tc.setup
				s.Listener = `reject = "` + reject + `"`
				p := Sluice(t, s.TOML())
				if tc.cause == "backends_full" {
					before := p.Sockets()
					testnet.Dial(t, p.Front("web"))
					testnet.Eventually(t, patience, "the only place is taken",
						func() bool { return p.Sockets() == before+2 })
				}
				turnedAway := func() (cause string) {
					from := p.Len()
					text, err := ask(t, p.Front("web"))
					if text != "" || (reject == "reset") != testnet.IsReset(err) || (reject == "close") != (err == nil) {
						t.Fatalf("got %q, %v, want a %s", text, err, reject)
					}
					r, _ := p.Await(from, patience, Connections)
					return r.Cause
				}
				if tc.cause == "no_backend" { // not before a probe has failed
					testnet.Eventually(t, patience, "the cause is no_backend", func() bool { return turnedAway() == tc.cause })
				} else if cause := turnedAway(); cause != tc.cause {
					t.Errorf("got cause %s, want %s", cause, tc.cause)
				}
			})
		}
	}
}

func TestUnixListenerIsBoundAgainAfterACrash(t *testing.T) {
	peer := testnet.Start(t, "tcp4", testnet.Name("here"))
	path := testnet.SocketPath(t)
	setup := Setup{Bind: []string{"unix:" + path}, Backends: []string{peer.Address}, Runtime: "survive_crash = false"}.TOML()
	p := Sluice(t, setup)
	p.lawfully = true
	p.cmd.Process.Kill()
	p.Exit(5 * time.Second)
	if _, err := os.Stat(path); err != nil {
		t.Fatalf("no stale socket to test with: %v", err)
	}
	p = Sluice(t, setup)
	if name, err := ask(t, p.Front("web")); name != "here" || err != nil {
		t.Errorf("got %q, %v", name, err)
	}
}
