package integration

import (
	"fmt"
	"os"
	"strconv"
	"testing"
	"time"

	"sluice/internal/testnet"
)

// However many connections there are, they are carried, and take no more memory
// afterwards than before.
func TestHandoverCarriesManyConnections(t *testing.T) {
	n := sized(1000, 9000)
	backends, listen := manyAddresses(t)
	p := Sluice(t, Setup{Bind: listen, Backends: backends, Access: "errors"}.TOML()+adminSocket(t), NoFile(20_000))
	stdin, again, err := os.Pipe()
	testnet.Must(t, "pipe", err)
	defer again.Close()
	load, said := helperWithInput(t, stdin, "hold", append([]string{strconv.Itoa(n)}, p.Fronts("web")...)...)
	stdin.Close()
	from := 0
	all := func() {
		t.Helper()
		if _, ok := said.Await(from, time.Minute, Says("all")); !ok {
			t.Fatalf("the load failed: %s%s", said.Tail(5), load.out)
		}
		from = said.Len()
	}
	all()
	before := p.Usage()
	t.Logf("%d connections: %v", n, before)
	for _, by := range []string{"kill", "upgrade"} {
		mark, began := p.Len(), time.Now()
		if by == "kill" {
			p.KillWorker()
		} else if code, out := p.Upgrade(""); code != 0 {
			t.Fatalf("upgrade: exit %d, %s", code, out)
		}
		l := p.TakenOver(mark)
		if l.Connections != n || l.Reset != 0 {
			t.Errorf("%s", l.Raw)
		}
		fmt.Fprintln(again, "again")
		all()
		now := p.Usage()
		t.Logf("%s: a pause of %.1f ms; %v; all have spoken again after %v", by, l.PauseMS, now, time.Since(began).Round(time.Millisecond))
		if now.Sockets != before.Sockets || now.Others > before.Others {
			t.Errorf("after the %s: %v", by, now)
		}
		if more := now.RSS - before.RSS; more > 8<<20+int64(n)*1024 {
			t.Errorf("%d bytes of memory more after the %s", more, by)
		}
	}
	if bad := p.All(Connections); len(bad) > 0 {
		t.Errorf("%d connections failed, for one %s", len(bad), bad[0].Raw)
	}
}
