package balancer

import "testing"

// A pool has room while a request that comes new would be given a backend: that is
// what those who wait are told by.
func TestHasRoomAgreesWithPick(t *testing.T) {
	var empty Pool
	if empty.HasRoom() {
		t.Error("a pool without a backend has room")
	}
	for _, policy := range Policies() {
		primaries, backups := tiers()
		for i := range primaries {
			primaries[i].MaxConnections = int64(i + 2)
		}
		p, err := NewPool(policy, primaries, backups)
		if err != nil {
			t.Fatal(err)
		}
		for n := range 6 {
			room := p.HasRoom()
			if _, v := p.Pick(&Request{Key: uint64(n) * 7919, Rand: uint64(n)}); room != (v == Picked) || room != (n < 5) {
				t.Errorf("%s, with %d connections: room %v, but picked: %v", policy, n, room, v == Picked)
			}
		}
		primaries[1].Load.Release()
		if !p.HasRoom() {
			t.Errorf("%s: no room when one has ended", policy)
		}
	}
}
