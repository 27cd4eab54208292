package proxy

import (
	"runtime"
	"slices"
	"testing"
	"unsafe"
)

// cacheLine is what two CPUs cannot write at the same time.
const cacheLine = 64

// What several workers write, or one writes and others read at every
// connection, stands in cache lines in which there is nothing else that is hot.
func TestHotFieldsShareNoCacheLine(t *testing.T) {
	var s Server
	var w worker
	var l listenerCount
	var r ringMarks
	var p page
	for _, c := range []struct {
		name   string
		apart  uintptr
		reason string
	}{
		{"Server.active and what is before it", unsafe.Offsetof(s.active) - unsafe.Offsetof(s.empty) - unsafe.Sizeof(s.empty),
			"every accept and every close writes it, every turn reads live"},
		{"Server.active and what is behind it", unsafe.Offsetof(s.paused) - unsafe.Offsetof(s.active) - unsafe.Sizeof(s.active) + 8,
			"every close reads paused"},
		{"worker.load and what is before it", unsafe.Offsetof(w.load) - unsafe.Offsetof(w.count) - unsafe.Sizeof(w.count),
			"other workers read it at every accept"},
		{"page.marks and what is before it", unsafe.Offsetof(p.marks) - unsafe.Offsetof(p.count) - unsafe.Sizeof(p.count),
			"the reporter writes head, the worker its counters"},
		{"worker.load and the end", unsafe.Sizeof(w) - unsafe.Offsetof(w.load), "what is behind a worker may be another"},
		{"listenerCount.active and the end", unsafe.Sizeof(l) - unsafe.Offsetof(l.active), "two listeners are counted by different workers"},
		{"ring.head and ring.tail", unsafe.Offsetof(r.tail) - unsafe.Offsetof(r.head), "one is the reporter's, the other the worker's"},
	} {
		if c.apart < cacheLine {
			t.Errorf("%s: %d bytes apart, want %d: %s", c.name, c.apart, cacheLine, c.reason)
		}
	}
}

// What a worker writes all the time is its own: the allocator gives each worker
// whole cache lines, and each listener's count.
func TestNeighboursInMemoryShareNoCacheLine(t *testing.T) {
	var workers, counts []uintptr
	keep := []any{}
	for range 8 {
		w, l := new(worker), new(listenerCount)
		workers, counts = append(workers, uintptr(unsafe.Pointer(w))), append(counts, uintptr(unsafe.Pointer(l)))
		keep = append(keep, w, l)
	}
	for _, c := range []struct {
		name string
		at   []uintptr
		size uintptr
	}{{"worker", workers, unsafe.Sizeof(worker{})}, {"listenerCount", counts, unsafe.Sizeof(listenerCount{})}} {
		slices.Sort(c.at)
		for i := 1; i < len(c.at); i++ {
			if last := (c.at[i-1] + c.size - 1) / cacheLine; last >= c.at[i]/cacheLine {
				t.Errorf("a %s at %#x ends in the cache line in which another begins, at %#x", c.name, c.at[i-1], c.at[i])
			}
		}
	}
	runtime.KeepAlive(keep)
}
