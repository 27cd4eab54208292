package integration

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"

	"sluice/internal/testnet"
)

// kept is what a process has written down of its backends, for the one after it.
type kept struct{ Healths, Ejections, Overrides []json.RawMessage }

// Kept reports whether the process has written down something that is as wanted. It may
// not be in force yet; what was written before it is.
func (p *Process) Kept(wanted func(*kept) bool) bool {
	for _, d := range testnet.DescriptorsOf(fmt.Sprint(p.PID())) {
		if !strings.HasPrefix(d.Link, "/memfd:sluice-book") {
			continue
		}
		file, err := os.Open(fmt.Sprintf("/proc/%d/fd/%d", p.PID(), d.FD))
		testnet.Must(p.tb, "open the book", err)
		found := keptIn(file, wanted)
		file.Close()
		if found {
			return true
		}
	}
	return false
}

// keptIn looks through what there is of a book, which is a sparse file.
func keptIn(file *os.File, wanted func(*kept) bool) bool {
	const seekData, seekHole = 3, 4 // lseek(2)
	begin := []byte(`{"Healths":`)
	for from, err := file.Seek(0, seekData); err == nil; from, err = file.Seek(from, seekData) {
		to, err := file.Seek(from, seekHole)
		if err != nil {
			return false
		}
		text := make([]byte, to-from)
		file.ReadAt(text, from)
		for from = to; ; text = text[len(begin):] {
			at := bytes.Index(text, begin)
			if at < 0 {
				break
			}
			text = text[at:]
			var k kept
			if json.NewDecoder(bytes.NewReader(text)).Decode(&k) == nil && wanted(&k) {
				return true
			}
		}
	}
	return false
}

// What health has found out and what an operator has ordered is known after a kill,
// and so is that there was one.
func TestHandoverKeepsWhatIsKnownOfBackends(t *testing.T) {
	peer, spare := testnet.Start(t, "tcp4", testnet.Echo), testnet.Start(t, "tcp4", testnet.Echo)
	p := Sluice(t, Setup{
		Backends: []string{peer.Address, testnet.Refusing(t), spare.Address},
		Health:   "type = \"send_expect\"\nsend = \"ping\"\nexpect = \"ping\"\ninterval = \"1s\"\njitter = 0\nfall = 10\nrise = 1",
	}.TOML()+adminSocket(t))
	health := func(l Line) bool { return l.Part == "health" }
	order := func(overrides int, args ...string) {
		t.Helper()
		if code, said := p.Command(append([]string{"backend"}, args...)...); code != 0 {
			t.Fatalf("%v: exit %d, %s", args, code, said)
		}
		testnet.Eventually(t, patience, "what is known is written down", func() bool {
			return p.Kept(func(k *kept) bool { return len(k.Healths) == 3 && len(k.Overrides) == overrides })
		})
	}
	order(1, "drain", "web", spare.Address)
	order(2, "weight", "web", peer.Address, "5") // after which the first is in force
	before, probed := len(p.All(health)), peer.Accepted()
	p.KillWorker()
	c := testnet.Dial(t, p.Front("web"))
	_, err := testnet.Exchange(c, 1, 1000)
	testnet.Must(t, "exchange", err)
	testnet.Eventually(t, patience, "the client and a probe have come, and one before it", func() bool { return peer.Accepted() >= probed+3 })
	if code, said := p.Command("pools"); code != 0 || !strings.Contains(said, "drain") {
		t.Errorf("pools: exit %d, the order is not known:\n%s", code, said)
	}
	if code, said := p.Command("status"); code != 0 || !strings.Contains(said, "handover 1") || !strings.Contains(said, "crash done") {
		t.Errorf("status: exit %d, the handover is not told:\n%s", code, said)
	}
	c.Close()
	if now := p.All(health); len(now) != before {
		t.Errorf("a backend has changed: %s", now[before].Raw)
	}
}

// Who was taken out for what clients met stays out.
func TestHandoverKeepsWhoIsEjected(t *testing.T) {
	peer := testnet.Start(t, "tcp4", testnet.Echo)
	p := Sluice(t, Setup{
		Backends: []string{peer.Address, testnet.Refusing(t)},
		Outlier:  "consecutive_failures = 1\neject_for = \"1h\"\nmax_ejected = 0.5",
	}.TOML()+adminSocket(t))
	ejected := func() bool {
		code, said := p.Command("pools")
		return code == 0 && strings.Contains(said, "ejected")
	}
	testnet.Eventually(t, patience, "the one that refuses is ejected", func() bool {
		_, err := ask(t, p.Front("web"))
		testnet.Must(t, "ask", err)
		return ejected()
	})
	testnet.Eventually(t, patience, "it is written down", func() bool {
		return p.Kept(func(k *kept) bool { return len(k.Ejections) == 1 })
	})
	p.KillWorker()
	if !ejected() {
		t.Error("it is not ejected any more")
	}
}
