package integration

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"sluice/internal/testnet"
)

// TestScrapesOfAThousandBackendsStallNobody scrapes a process with 1,000 backends while
// clients exchange bytes through it. What a scrape takes, the lag that the workers
// report in it, and the round trips of clients with and without scrapes are printed; on
// a busy machine they say little.
func TestScrapesOfAThousandBackendsStallNobody(t *testing.T) {
	peer := testnet.Start(t, "tcp4", testnet.Echo)
	backends := []string{peer.Address}
	for i := range 999 {
		backends = append(backends, fmt.Sprintf("127.2.%d.%d:1", i/250, 1+i%250))
	}
	socket := testnet.SocketPath(t)
	p := Sluice(t, Setup{Backends: backends, Pool: `policy = "first"`}.TOML()+fmt.Sprintf("[admin]\nbind = \"\"\nsocket = %q\n", socket))
	c := testnet.Dial(t, p.Front("web"))
	pings := func(n int) (all []time.Duration) {
		for range n {
			d, err := testnet.Exchange(c, 1, 100)
			testnet.Must(t, "exchange", err)
			all = append(all, d)
		}
		slices.Sort(all)
		return all
	}
	quiet := pings(2000)
	var scraping sync.WaitGroup
	var took []time.Duration
	var lags []float64
	scraping.Go(func() {
		for range 20 {
			start := time.Now()
			now := scraped(socket)
			took = append(took, time.Since(start))
			for name, v := range now {
				if strings.HasPrefix(name, "sluice_worker_lag_seconds") {
					lags = append(lags, v)
				}
			}
		}
	})
	during := pings(2000)
	scraping.Wait()
	slices.Sort(took)
	slices.Sort(lags)
	if len(lags) < 20 {
		t.Fatalf("only %d lags in 20 scrapes", len(lags))
	}
	t.Logf("a scrape: p50 %v, max %v; lag of workers: p50 %.0f us, max %.0f us; round trips: p50 %v, p99 %v without, %v, %v with scrapes",
		took[10], took[19], 1e6*lags[len(lags)/2], 1e6*lags[len(lags)-1], quiet[1000], quiet[1980], during[1000], during[1980])
	if most := 5 * time.Second; took[10] > most || lags[len(lags)/2] > 1 {
		t.Errorf("half of the scrapes take longer than %v, or workers lag for %v", most, lags)
	}
}
