package cmd

import "go.uber.org/zap"

// fewConnections is a maximum that was hardly chosen for a balancer: it is what
// the descriptor limit of a login shell comes to.
const fewConnections = 2000

// warnOfLimit says when the descriptors do not suffice for what is configured,
// or are few. most is what the file says, room how many connections there can
// be at once.
func warnOfLimit(log *zap.Logger, most, room, descriptors int) {
	fields := []zap.Field{
		zap.Int("max_connections", room),
		zap.Int("descriptor_limit", descriptors),
	}
	switch {
	case most > room:
		log.Warn("the descriptor limit is too low for runtime.max_connections; raise it (ulimit -n, LimitNOFILE=)",
			append(fields, zap.Int("configured", most))...)
	case most == 0 && room < fewConnections:
		log.Warn("the descriptor limit allows few connections; raise it (ulimit -n, LimitNOFILE=)", fields...)
	}
}
