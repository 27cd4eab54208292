package proxy

import (
	"testing"
	"time"
)

// An hour of 10,000 idle connections: each timer is put off when it fires, as
// that of a conn is whose bytes moved meanwhile. An operation is one turn of a
// worker a tick later.
func BenchmarkWheelAdvance(b *testing.B) {
	const conns = 10_000
	w, _ := newWheel(conns + 1)
	for s := range uint32(conns) {
		w.arm(s+1, int64(s)*int64(time.Hour)/conns)
	}
	b.ReportAllocs()
	now, fired := int64(0), 0
	for b.Loop() {
		now += 1 << tickShift
		w.advance(now, func(slot uint32) {
			fired++
			w.arm(slot, now+int64(time.Hour))
		})
	}
	b.ReportMetric(float64(fired)/float64(b.N), "timers/op")
}

// What a worker asks before it sleeps.
func BenchmarkWheelUntil(b *testing.B) {
	w, _ := newWheel(2)
	w.arm(1, int64(time.Hour))
	for b.Loop() {
		w.until(0)
	}
}
