package proxy

import (
	"slices"
	"testing"
)

func TestABookHasWhatItsOwnProgramNeeds(t *testing.T) {
	if lacks := BookLacks(BookNeeds()); len(lacks) > 0 {
		t.Errorf("it lacks %v", lacks)
	}
	if got := BookLacks([]string{"conn.client", "conn.up.carriage", "cart.taken"}); !slices.Equal(got, []string{"conn.up.carriage", "cart.taken"}) {
		t.Errorf("got %v", got)
	}
}
