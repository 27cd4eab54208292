package control

import (
	"fmt"

	"go.uber.org/zap"
)

// emptyOf is why no backend of a pool can be had, with the first for an example; "" if
// one can.
func emptyOf(standings []Standing) string {
	for i := range standings {
		if standings[i].Place != Out {
			return ""
		}
	}
	if len(standings) == 0 {
		return "it has none"
	}
	return fmt.Sprintf("%s: %s", standings[0].Backend.Name, standings[0].Why)
}

// tellEmpty logs the pools that serve nobody any more, whether their backends are ill or
// were taken out, and those that do again.
func (c *Control) tellEmpty(before, next *Compiled) {
	for name, now := range next.pools {
		was := ""
		if before != nil && before.pools[name] != nil {
			was = before.pools[name].empty
		}
		fields := []zap.Field{zap.String("pool", name), zap.Int("backends", len(now.members))}
		switch {
		case was == "" && now.empty != "":
			c.log.Error("pool "+name+": no backend can be had: "+now.empty, fields...)
		case was != "" && now.empty == "":
			c.log.Info("pool "+name+": backends can be had again", fields...)
		}
	}
}
