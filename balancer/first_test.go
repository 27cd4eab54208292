package balancer

import "testing"

func TestFirstFillsInOrder(t *testing.T) {
	all := backends(1, 100, 1)
	all[0].MaxConnections, all[1].MaxConnections = 2, 1
	p := picker(t, "first", all)
	for n, want := range []int{0, 0, 1, 2, 2} {
		if got := p.Pick(&Request{}); got != want {
			t.Errorf("pick %d: got %d, want %d", n, got, want)
		}
	}
	all[0].Load.Release()
	if got := p.Pick(&Request{}); got != 0 {
		t.Errorf("with a place in the first again: got %d, want 0", got)
	}
}
