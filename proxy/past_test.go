package proxy

import (
	"slices"
	"testing"
)

func TestABookHasWhatItsOwnProgramNeeds(t *testing.T) {
	keeps := BookKeeps()
	for _, name := range BookNeeds() {
		if !slices.Contains(keeps, name) {
			t.Errorf("it lacks %s", name)
		}
	}
	for _, name := range []string{"conn.up.carriage", "cart.taken"} {
		if slices.Contains(keeps, name) {
			t.Errorf("it has %s", name)
		}
	}
}
