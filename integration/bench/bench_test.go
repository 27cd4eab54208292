package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sluice/internal/testnet"
)

func TestMain(m *testing.M) {
	if os.Getenv(asVar) != "" {
		os.Exit(play())
	}
	os.Exit(testnet.Main(m))
}

// The whole thing, for about a second: peers in a namespace, every kind of
// work once, and the files.
func TestBenchmarkRunsFromVerificationToPictures(t *testing.T) {
	if testing.Short() {
		testnet.Skip(t, "it starts five programs, and -short is set")
	}
	t.Parallel()
	testnet.NeedRoot(t)
	testnet.Need(t, "ip", "haproxy", "nginx", compiler)
	out := t.TempDir()
	me, err := os.Executable()
	testnet.Must(t, "find this binary", err)
	var stdout, stderr bytes.Buffer
	code := drive([]string{
		"--sluice", me, "--out", out, "--rounds", "1", "--repeats", "0", "--seconds", "0.1", "--calls=false", "--json",
		"--peers", "sluice,haproxy,nginx,floor,dnat", "--work", "bulk-up-8,short-server,schedule-128-50,mixed,backends-100,veth-bulk-down-8",
	}, &stdout, &stderr)
	if code != 0 {
		t.Fatalf("exit code %d:\n%s", code, &stderr)
	}
	var r Report
	testnet.Must(t, "read the report", json.Unmarshal(stdout.Bytes(), &r))
	if len(r.Works) != 6 || len(r.Notes) > 0 {
		t.Errorf("got %d works, want 6; notes: %v", len(r.Works), r.Notes)
	}
	for _, p := range r.Peers {
		// HAProxy 2.6 loses the end of a stream now and then when both directions
		// are busy and it splices.
		if len(p.Faults) > 0 && p.Name != "haproxy" {
			t.Errorf("%s failed the verification: %v", p.Name, p.Faults)
		}
	}
	for _, w := range r.Works {
		for _, peer := range []string{"sluice", "haproxy", "nginx", "floor"} {
			row := w.row(peer)
			if peer == "floor" && w.Name == "backends-100" {
				if row != nil {
					t.Errorf("%s: the floor knows one backend, and has a row", w.Name)
				}
				continue
			}
			if row == nil || row.Sum["rate"].Median <= 0 || row.Sum["cpu"].Median <= 0 || row.Errors > 0 {
				t.Errorf("%s, %s: got %+v", w.Name, peer, row)
			}
		}
	}
	page, err := os.ReadFile(filepath.Join(out, "benchmarks.md"))
	if err != nil || !strings.Contains(string(page), "bench/latency.svg") {
		t.Errorf("the page: %v\n%s", err, page)
	}
}

func TestIdleConnectionsAreWeighed(t *testing.T) {
	t.Parallel()
	testnet.NeedRoot(t)
	testnet.Need(t, "ip")
	me, err := os.Executable()
	testnet.Must(t, "find this binary", err)
	var stdout, stderr bytes.Buffer
	if code := drive([]string{"--sluice", me, "--work", "idle", "--peers", "sluice,go-copy", "--quick", "--json"}, &stdout, &stderr); code != 0 {
		t.Fatalf("exit code %d:\n%s", code, &stderr)
	}
	var r Report
	testnet.Must(t, "read the report", json.Unmarshal(stdout.Bytes(), &r))
	if len(r.Idle) != 2 {
		t.Fatalf("got %d peers, want 2: %v", len(r.Idle), r.Notes)
	}
	ours, plain := r.Idle[0], r.Idle[1]
	if ours.Connections != 3000 || ours.Unserved != 0 || ours.Descriptors < 1.99 || ours.Descriptors > 2.01 || ours.Left != 0 {
		t.Errorf("sluice: got %+v", ours)
	}
	if plain.Each < 4*ours.Each {
		t.Errorf("an idle connection takes %.0f bytes of sluice and %.0f of a goroutine for each direction", ours.Each, plain.Each)
	}
}
