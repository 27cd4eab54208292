package balancer

import (
	"math"
	"testing"
)

func slotsOf(t *testing.T, all []Backend) []int {
	t.Helper()
	owned := make([]int, len(all))
	for _, i := range picker(t, "maglev", all).(*maglev).slots {
		owned[i]++
	}
	return owned
}

// Shares of the table are as even as whole slots can be.
func TestMaglevSlotsFollowWeights(t *testing.T) {
	for name, all := range map[string][]Backend{
		"one": backends(3), "equal": equal(650), "some": backends(1, 2, 3, 4, 100), "many": mixed(600),
	} {
		for i, got := range slotsOf(t, all) {
			if want := share(all[i], all) * maglevSlots; math.Abs(float64(got)-want) > 2 {
				t.Errorf("%s: weight %d has %d slots, want %.1f", name, all[i].Weight, got, want)
			}
		}
	}
}

func TestMaglevGivesEachASlot(t *testing.T) {
	for name, all := range map[string][]Backend{
		"far apart": backends(maxWeight, 1, maxWeight), "many": mixed(10_000), "as many as can be": equal(maglevSlots - 1),
	} {
		for i, got := range slotsOf(t, all) {
			if got == 0 {
				t.Errorf("%s: weight %d has no slot", name, all[i].Weight)
			}
		}
	}
}

func TestMaglevHasNoRoomForMore(t *testing.T) {
	_, err := NewPool("maglev", equal(maglevSlots))
	if want := "policy maglev: 65537 backends, at most 65536"; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}
