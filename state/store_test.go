package state

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
)

func TestViewDoesNotSeeLaterCommits(t *testing.T) {
	s := New()
	before := s.View()
	commit(s, func(c *Change) { c.SetConfig(twoPools()) })
	if got := names(before.Pools(), poolName); len(got) != 0 {
		t.Errorf("an older view sees pools %v", got)
	}
	if got, want := names(s.View().Pools(), poolName), []string{"api", "web"}; !slices.Equal(got, want) {
		t.Errorf("a new view sees pools %v, want %v", got, want)
	}
}

func TestAbortChangesNothing(t *testing.T) {
	s := New()
	commit(s, func(c *Change) { c.SetConfig(twoPools()) })
	before := s.View()
	c := s.Change()
	c.SetConfig(without(twoPools(), "web"))
	c.SetOverride(&Override{Pool: "api", Backend: "a1", Mode: Drain})
	c.Abort()
	after := s.View()
	if a, b := rowsOf(before), rowsOf(after); !slices.Equal(a, b) {
		t.Errorf("rows after Abort %v, want %v", b, a)
	}
	c = s.Change() // the abort has let the next writer in
	c.Commit()
	c.Abort() // does nothing
}

func TestChangeShowsItselfBeforeCommit(t *testing.T) {
	s := New()
	c := s.Change()
	defer c.Abort()
	c.SetConfig(twoPools())
	v := c.View()
	c.SetConfig(without(twoPools(), "web"))
	if v.Pool("web") == nil || v.Backend("web", "b1") == nil {
		t.Error("the change's view lacks what was written before it was taken")
	}
	if c.View().Pool("web") != nil {
		t.Error("the change's view has what was deleted before it was taken")
	}
	if s.View().Pool("web") != nil {
		t.Error("the store has what was not committed")
	}
}

func TestViewOfChangeOutlivesIt(t *testing.T) {
	s := New()
	c := s.Change()
	c.SetConfig(twoPools())
	v := c.View()
	c.Commit()
	commit(s, func(c *Change) { c.SetConfig(without(twoPools(), "web")) })
	if v.Backend("web", "b1") == nil {
		t.Error("the view lost a row to a later commit")
	}
}

func TestWaitWakesOnCommitOfItsTablesOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := New()
		ctx, cancel := context.WithCancel(t.Context())
		woken := make(chan error, 1)
		v := s.View()
		go func() { woken <- v.Wait(ctx, Healths, Overrides) }()

		commit(s, func(c *Change) { c.SetConfig(twoPools()) })
		c := s.Change()
		c.SetHealth(&Health{Pool: "web", Backend: "b1"})
		c.Abort()
		synctest.Wait()
		if len(woken) != 0 {
			t.Fatal("woken by another table, or by a change that was aborted")
		}
		commit(s, func(c *Change) { c.SetHealth(&Health{Pool: "web", Backend: "b1"}) })
		if err := <-woken; err != nil {
			t.Fatalf("Wait: %v", err)
		}
		if err := v.Wait(ctx, Healths); err != nil {
			t.Errorf("Wait on a view that is old already: %v", err)
		}

		go func() { woken <- s.View().Wait(ctx, Tables...) }()
		synctest.Wait()
		cancel()
		if err := <-woken; !errors.Is(err, context.Canceled) {
			t.Errorf("Wait after cancel: %v", err)
		}
	})
}

func TestEveryTableIsInSchema(t *testing.T) {
	if len(Tables) != len(schema.Tables) {
		t.Errorf("%d tables named, %d in the schema", len(Tables), len(schema.Tables))
	}
	for _, name := range Tables {
		select {
		case <-closed(t, name):
		default:
			t.Errorf("nothing is written into %s", name)
		}
	}
}

// closed writes into a table and returns what should be closed by that.
func closed(t *testing.T, name Table) <-chan struct{} {
	s := New()
	ch := s.View().Changed(name)
	commit(s, func(c *Change) {
		c.SetConfig(twoPools())
		c.SetHealth(&Health{Pool: "web", Backend: "b1"})
		c.SetEjection(&Ejection{Pool: "web", Backend: "b1"})
		c.SetAdvice(&Advice{Pool: "web", Backend: "b1"})
		c.SetOverride(&Override{Pool: "web", Backend: "b1"})
	})
	return ch
}
