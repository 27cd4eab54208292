package integration

import (
	"encoding/json"
	"math/rand/v2"
	"sync"
	"testing"

	"sluice/internal/testnet"
)

// keys are what an access record must have, whatever happened.
var keys = []string{"level", "time", "msg", "listener", "client", "pool", "backend", "bytes_up", "bytes_down",
	"connect_ms", "first_byte_ms", "total_ms", "retries", "cause", "code"}

func TestEveryConnectionHasOneRecord(t *testing.T) {
	overPaths(t, func(p Path) bool { return !p.Direct() && p.client != "unix" }, func(t *testing.T, p Path) {
		const clients = 200
		front, peer, proxy := p.Serve(t, testnet.Echo, nil)
		sent := make(map[string]int64) // by client address
		var mu sync.Mutex
		var running sync.WaitGroup
		for range 8 {
			running.Go(func() {
				for range clients / 8 {
					n := rand.Int64N(200_000)
					c, err := testnet.TryDial(front, patience)
					if err == nil {
						_, err = testnet.Exchange(c, 1, n)
						mu.Lock()
						sent[c.LocalAddr().String()] += n
						mu.Unlock()
						c.CloseWrite()
						if err == nil {
							err = testnet.Stream(0).Receive(c, 0)
						}
						c.Close()
					}
					if err != nil {
						t.Error(err)
					}
				}
			})
		}
		running.Wait()
		testnet.Eventually(t, patience, "as many records as connections", func() bool {
			return len(proxy.All(Connections)) >= clients
		})
		last := proxy.Stop()
		records := proxy.All(Connections)
		if len(records) != clients || last.Accepted != clients || last.RecordsDropped != 0 {
			t.Errorf("%d records of %d connections; the last word is %s", len(records), clients, last.Raw)
		}
		for _, r := range records {
			var fields map[string]any
			testnet.Must(t, "read a record", json.Unmarshal([]byte(r.Raw), &fields))
			for _, k := range keys {
				if _, ok := fields[k]; !ok {
					t.Fatalf("no %s in %s", k, r.Raw)
				}
			}
			sent[r.Client] -= r.BytesUp
			switch {
			case r.Listener != "web" || r.Pool != "web" || r.Backend != peer.Address,
				r.Cause != "completed" || r.Code != "--" || r.Retries != 0,
				r.BytesUp != r.BytesDown,
				r.ConnectMS == nil || r.TotalMS == nil || *r.ConnectMS < 0 || *r.TotalMS < *r.ConnectMS,
				r.BytesDown > 0 && (r.FirstByteMS == nil || *r.FirstByteMS > *r.TotalMS):
				t.Fatalf("got record %s", r.Raw)
			}
		}
		for client, n := range sent {
			if n != 0 {
				t.Errorf("client %s sent %d bytes that are in no record", client, n)
			}
		}
	})
}

func TestAccessLogCanBeOffOrOfErrorsOnly(t *testing.T) {
	good := testnet.Start(t, "tcp4", testnet.Name("good"))
	bad := testnet.Refusing(t)
	for access, want := range map[string]int{"all": 2, "errors": 1, "off": 0} {
		t.Run(access, func(t *testing.T) {
			p := Sluice(t, "[log]\naccess = \""+access+"\"\n"+
				table("good", "127.0.0.1:0", good.Address)+table("bad", "127.0.0.2:0", bad))
			ask(t, p.Front("good"))
			ask(t, p.Front("bad"))
			p.Stop()
			if got := len(p.All(Connections)); got != want {
				t.Errorf("%d records, want %d", got, want)
			}
		})
	}
}
