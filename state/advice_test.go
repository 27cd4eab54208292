package state

import (
	"slices"
	"testing"
)

func TestAdviceComesAndGoes(t *testing.T) {
	s := New()
	commit(s, func(c *Change) {
		c.SetAdvice(&Advice{Pool: "api", Backend: "b1", Mode: Maint})
		c.SetAdvice(&Advice{Pool: "web", Backend: "b1", Weight: 50})
		c.SetAdvice(&Advice{Pool: "web", Backend: "b2", Down: true})
		c.SetAdvice(&Advice{Pool: "web", Backend: "b1", Weight: 75})
	})
	if a := s.View().Advice("web", "b1"); a == nil || a.Weight != 75 {
		t.Errorf("advice for b1: %v, want the last one", a)
	}
	before := s.View().Stamp("web")
	commit(s, func(c *Change) {
		c.DeleteAdvice("web", "b1")
		c.DeleteAdvice("web", "never there")
	})
	if s.View().Stamp("web") == before {
		t.Error("the pool has the same stamp without it")
	}
	name := func(a *Advice) string { return a.Pool + "/" + a.Backend }
	if got, want := names(s.View().Advices("web"), name), []string{"web/b2"}; !slices.Equal(got, want) {
		t.Errorf("advice for web: %v, want %v", got, want)
	}
	if got, want := names(s.View().AllAdvices(), name), []string{"api/b1", "web/b2"}; !slices.Equal(got, want) {
		t.Errorf("all advice: %v, want %v", got, want)
	}
}
