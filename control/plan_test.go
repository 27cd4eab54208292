package control

import (
	"slices"
	"testing"

	"sluice/config"
	"sluice/state"
)

func TestPlanSaysWhatAReloadChanged(t *testing.T) {
	for _, tt := range []struct {
		name   string
		change func(*config.Config)
		want   string
	}{
		{"nothing", func(*config.Config) {}, "nothing changed"},
		{"listener", func(c *config.Config) { c.Listeners[0].NoDelay = true }, "listeners ~api"},
		{"pool", func(c *config.Config) { c.Pools[1].Retries = 0 }, "pools ~web"},
		{"backends", func(c *config.Config) {
			b := c.Pools[1].Backends
			b[1].Weight = 9
			c.Pools[1].Backends = append(b[1:], config.Backend{Name: "b9", Address: address(1), Weight: 1})
		}, "backends +web/b9 ~web/b2 -web/b1"},
		{"order of backends", func(c *config.Config) { slices.Reverse(c.Pools[1].Backends) }, "nothing changed"},
		{"all of a kind", func(c *config.Config) {
			*c = config.Config{Listeners: c.Listeners[:1], Pools: append(c.Pools[:1], poolOf("new", 7))}
		}, "listeners -web; pools +new -web; backends +new/b1 +new/b2 +new/b3 +new/b4 +new/b5 +(2 more) -web/b1 -web/b2 -web/b3"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := storeOf(configOf("api", "web"))
			before := s.View()
			cfg := configOf("api", "web")
			tt.change(cfg)
			commit(s, func(c *state.Change) { c.SetConfig(cfg) })
			plan := planOf(before, s.View())
			if got := plan.String(); got != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
			if plan.Empty() != (tt.want == "nothing changed") {
				t.Errorf("Empty %v", plan.Empty())
			}
		})
	}
}
