package state

import (
	"slices"
	"testing"
)

func TestOverridesComeAndGo(t *testing.T) {
	s := New()
	commit(s, func(c *Change) {
		c.SetOverride(&Override{Pool: "web", Backend: "b1", Mode: Drain})
		c.SetOverride(&Override{Pool: "web", Backend: "b2", Weight: 5})
		c.SetOverride(&Override{Pool: "web", Backend: "b1", Mode: Maint})
	})
	if o := s.View().Override("web", "b1"); o == nil || o.Mode != Maint {
		t.Errorf("override of b1: %v, want maint", o)
	}
	commit(s, func(c *Change) {
		c.DeleteOverride("web", "b1")
		c.DeleteOverride("web", "never there")
	})
	got := names(s.View().Overrides("web"), func(o *Override) string { return o.Backend })
	if want := []string{"b2"}; !slices.Equal(got, want) {
		t.Errorf("overrides of %v, want %v", got, want)
	}
}
