// Package top is "sluice top": what the balancer's stream of events tells, drawn
// as text again and again, and keys that give orders.
//
//	stream ------------+
//	connections -------+--> state --> frame --> screen --> terminal
//	keys, signals -----+    (pure)    (pure)    only the lines that have changed
//
// One goroutine owns the state and the terminal; the others post it what they
// have read.
package top
