package balancer

import (
	"slices"
	"strings"
	"testing"
)

func TestPoliciesAreThoseOfTheConfiguration(t *testing.T) {
	want := []string{"round_robin", "least_connections", "random_two", "least_latency", "source_hash", "maglev", "first"}
	if got := Policies(); !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestNewPoolNamesAllFaults(t *testing.T) {
	bad := backends(0, 65536, 1, 1)
	bad[2].Load = nil
	bad[3].Name = "b2"
	_, err := NewPool("quickest", bad[:3], bad[3:])
	if err == nil {
		t.Fatal("no error")
	}
	want := strings.Join([]string{
		`policy "quickest": not known, want one of round_robin, least_connections, random_two, least_latency, source_hash, maglev, first`,
		`backend b0: weight 0, want 1 to 65535`,
		`backend b1: weight 65536, want 1 to 65535`,
		`backend b2: no load`,
		`backend b2: name used twice`,
	}, "\n")
	if err.Error() != want {
		t.Errorf("got:\n%v\nwant:\n%v", err, want)
	}
	if _, err := NewPool("quickest"); err == nil {
		t.Error("an unknown policy over no backends is no error")
	}
}

// tiers are two primaries, Refs 10 and 11, and two backups, 20 and 21, with one
// place each.
func tiers() (primaries, backups []Backend) {
	all := backends(1, 1, 1, 1)
	for i := range all {
		all[i].MaxConnections = 1
		all[i].Ref = []int{10, 11, 20, 21}[i]
	}
	return all[:2], all[2:]
}

func fill(all ...Backend) {
	for _, b := range all {
		b.Load.Acquire(0)
	}
}

func TestVerdicts(t *testing.T) {
	const stranger = 99 // tried before the pool was compiled anew
	for _, test := range []struct {
		name    string
		build   func(p, b []Backend) [][]Backend
		full    []int // Refs
		tried   []uint32
		verdict Verdict
		refs    []int
	}{
		{"no tier", func(p, b []Backend) [][]Backend { return nil }, nil, nil, NoneUp, nil},
		{"empty tiers", func(p, b []Backend) [][]Backend { return [][]Backend{{}, nil} }, nil, nil, NoneUp, nil},
		{"empty tiers, tried", func(p, b []Backend) [][]Backend { return [][]Backend{{}, nil} }, nil, []uint32{stranger}, NoneUp, nil},
		{"primaries first", both, nil, nil, Picked, []int{10, 11}},
		{"a primary is full", both, []int{10}, nil, Picked, []int{11}},
		{"full primaries keep the backups back", both, []int{10, 11}, nil, AllFull, nil},
		{"everything is full", both, []int{10, 11, 20, 21}, nil, AllFull, nil},
		{"no primary", func(p, b []Backend) [][]Backend { return [][]Backend{nil, b} }, nil, nil, Picked, []int{20, 21}},
		{"no primary, full backups", func(p, b []Backend) [][]Backend { return [][]Backend{nil, b} }, []int{20, 21}, nil, AllFull, nil},
		{"one primary tried", both, nil, []uint32{1}, Picked, []int{11}},
		{"one primary tried, the other full", both, []int{11}, []uint32{1}, AllTried, nil},
		{"one primary tried and full, the other full", both, []int{10, 11}, []uint32{1}, AllTried, nil},
		{"both primaries tried", both, nil, []uint32{1, 2}, Picked, []int{20, 21}},
		{"both primaries tried and full", both, []int{10, 11}, []uint32{2, 1}, Picked, []int{20, 21}},
		{"primaries and a backup tried", both, nil, []uint32{1, 2, 3}, Picked, []int{21}},
		{"primaries tried, backups full", both, []int{20, 21}, []uint32{1, 2}, AllTried, nil},
		{"everything tried", both, nil, []uint32{1, 2, 3, 4}, AllTried, nil},
		{"a stranger tried, primaries free", both, nil, []uint32{stranger}, Picked, []int{10, 11}},
		{"a stranger tried, primaries full", both, []int{10, 11}, []uint32{stranger}, AllFull, nil},
		{"a backup tried, primaries full", both, []int{10, 11}, []uint32{3}, AllFull, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			everyPolicy(t, func(t *testing.T, policy string, _ claim) {
				p, b := tiers()
				for _, x := range append(slices.Clone(p), b...) {
					if slices.Contains(test.full, x.Ref) {
						fill(x)
					}
				}
				pool, err := NewPool(policy, test.build(p, b)...)
				if err != nil {
					t.Fatal(err)
				}
				q := newRequests(11)
				for range 20 {
					r := q.next()
					for _, id := range test.tried {
						r.Tried.Add(id)
					}
					ref, v := pool.Pick(&r)
					if v != test.verdict || (v == Picked) != slices.Contains(test.refs, ref) || v != Picked && ref != -1 {
						t.Fatalf("got %d, verdict %d; want one of %v, verdict %d", ref, v, test.refs, test.verdict)
					}
					for _, x := range append(p, b...) {
						if v == Picked && x.Ref == ref {
							x.Load.Release()
						}
					}
				}
			})
		})
	}
}

func both(p, b []Backend) [][]Backend { return [][]Backend{p, b} }

func TestPoolOwnsWhatItWasMadeFrom(t *testing.T) {
	all := backends(1, 1)
	pool, err := NewPool("round_robin", all)
	if err != nil {
		t.Fatal(err)
	}
	clear(all)
	for range 4 {
		if ref, v := pool.Pick(&Request{}); v != Picked || ref < 0 || ref > 1 {
			t.Errorf("got %d, verdict %d", ref, v)
		}
	}
}

func TestZeroPoolHasNoBackend(t *testing.T) {
	if ref, v := new(Pool).Pick(&Request{}); ref != -1 || v != NoneUp {
		t.Errorf("got %d, verdict %d; want -1, NoneUp", ref, v)
	}
}

func TestPoolPickAllocatesNothing(t *testing.T) {
	for _, policy := range Policies() {
		pool, err := NewPool(policy, backends(1, 2), backends(1)[:0])
		if err != nil {
			t.Fatal(err)
		}
		var r Request
		r.Tried.Add(1)
		if n := testing.AllocsPerRun(100, func() { r.Rand += golden; pool.Pick(&r) }); n != 0 {
			t.Errorf("%s: %v allocations a pick, want 0", policy, n)
		}
	}
}
