package proxy

import (
	"unsafe"

	"sluice/internal/sys"
)

// A slab holds the conns of one worker in memory of its own, outside the Go
// heap: the garbage collector never sees them, and an idle connection costs its
// record and nothing else. Slots are numbered from 1: 0 means none wherever a
// slot is named.
type slab struct {
	memory []byte
	conns  []conn // over memory
	free   uint32 // head of the list of freed slots, linked by conn.next
	used   uint32 // slots 1 to used have been taken at some time
	live   int
	births uint32 // generation of the latest conn
}

// newSlab reserves room for n conns. The pages come with use, and go back to
// the system when the last conn has ended.
func newSlab(n int) (*slab, error) {
	m, err := sys.Map((n + 1) * int(unsafe.Sizeof(conn{})))
	if err != nil {
		return nil, err
	}
	return &slab{memory: m, conns: unsafe.Slice((*conn)(unsafe.Pointer(&m[0])), n+1)}, nil
}

func (s *slab) at(slot uint32) *conn { return &s.conns[slot] }

// take hands out a zeroed conn with a new generation, or slot 0 if there is no
// more room.
func (s *slab) take() (uint32, *conn) {
	slot := s.free
	if slot != 0 {
		s.free = s.conns[slot].next
	} else if int(s.used)+1 < len(s.conns) {
		s.used++
		slot = s.used
	} else {
		return 0, nil
	}
	s.live++
	if s.births = (s.births + 1) & generationMask; s.births == 0 {
		s.births = 1
	}
	c := &s.conns[slot]
	*c = conn{generation: s.births}
	return slot, c
}

// give takes a conn back. When the last one is gone the memory they had goes
// back to the system.
func (s *slab) give(slot uint32) {
	c := &s.conns[slot]
	c.generation, c.phase = 0, closed
	c.next, s.free = s.free, slot
	s.live--
	if s.live == 0 && s.used > slabKeep {
		sys.Forget(s.memory)
		s.free, s.used = 0, 0
	}
}

// slabKeep is how many records an empty slab keeps touched: 64 pages.
const slabKeep = 1024

func (s *slab) close() {
	sys.Unmap(s.memory)
	s.memory, s.conns = nil, nil
}
