package state

import (
	"slices"
	"testing"
)

func TestEjectionsComeAndGo(t *testing.T) {
	s := New()
	commit(s, func(c *Change) {
		c.SetEjection(&Ejection{Pool: "api", Backend: "b1"})
		c.SetEjection(&Ejection{Pool: "web", Backend: "b1", Reason: "once"})
		c.SetEjection(&Ejection{Pool: "web", Backend: "b2"})
		c.SetEjection(&Ejection{Pool: "web", Backend: "b1", Reason: "again"})
	})
	if e := s.View().Ejection("web", "b1"); e == nil || e.Reason != "again" {
		t.Errorf("ejection of b1: %v, want the last one", e)
	}
	commit(s, func(c *Change) {
		c.DeleteEjection("web", "b1")
		c.DeleteEjection("web", "never there")
	})
	name := func(e *Ejection) string { return e.Pool + "/" + e.Backend }
	if got, want := names(s.View().Ejections("web"), name), []string{"web/b2"}; !slices.Equal(got, want) {
		t.Errorf("ejections of web: %v, want %v", got, want)
	}
	if got, want := names(s.View().AllEjections(), name), []string{"api/b1", "web/b2"}; !slices.Equal(got, want) {
		t.Errorf("all ejections: %v, want %v", got, want)
	}
}
