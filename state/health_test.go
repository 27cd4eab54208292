package state

import (
	"slices"
	"testing"
	"time"
)

func TestHealthRowsComeAndGo(t *testing.T) {
	s := New()
	commit(s, func(c *Change) {
		c.SetHealth(&Health{Pool: "web", Backend: "b2", Status: Down, Reason: "refused"})
		c.SetHealth(&Health{Pool: "api", Backend: "a1", Status: Up})
		c.SetHealth(&Health{Pool: "web", Backend: "b1", Status: Up})
		c.SetHealth(&Health{Pool: "web", Backend: "b1", Status: Down})
	})
	key := func(h *Health) string { return h.Pool + "/" + h.Backend + " " + h.Status.String() }
	v := s.View()
	if got, want := names(v.AllHealths(), key), []string{"api/a1 up", "web/b1 down", "web/b2 down"}; !slices.Equal(got, want) {
		t.Errorf("verdicts %v, want %v", got, want)
	}
	commit(s, func(c *Change) {
		c.DeleteHealth("web", "b1")
		c.DeleteHealth("web", "never there")
	})
	v = s.View()
	if got, want := names(v.Healths("web"), key), []string{"web/b2 down"}; !slices.Equal(got, want) {
		t.Errorf("verdicts %v, want %v", got, want)
	}
	if v.Health("web", "b1") != nil || v.Health("api", "a1") == nil {
		t.Error("the wrong row was deleted")
	}
}

func TestVerdictIsAboutItsSubjectOnly(t *testing.T) {
	p := &Pool{twoPools().Pools[1]}
	b := &Backend{Backend: backend("b1", 9001)}
	was := SubjectOf(p, b)
	heavier := *b
	heavier.Weight = 9
	moved := *b
	moved.Address = address(9009)
	stricter := *p
	stricter.Health.Fall++
	slower := *p
	slower.Health.Interval, slower.Health.Timeout, slower.Health.Jitter = time.Hour, time.Minute, 0.5
	other := *p
	other.Health.Type = "none"
	for _, tt := range []struct {
		name string
		p    *Pool
		b    *Backend
		same bool
	}{
		{"nothing changed", p, b, true},
		{"weight", p, &heavier, true},
		{"address", p, &moved, false},
		{"what it takes to turn", &stricter, b, true},
		{"when it is asked", &slower, b, true},
		{"what is asked", &other, b, false},
	} {
		if got := SubjectOf(tt.p, tt.b) == was; got != tt.same {
			t.Errorf("%s: same subject: %v, want %v", tt.name, got, tt.same)
		}
	}
}
