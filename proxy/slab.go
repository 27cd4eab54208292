package proxy

// A slab holds the conns of one worker in memory of its own, outside the Go
// heap: the garbage collector never sees them, and an idle connection costs its
// record and nothing else. Slots are numbered from 1: 0 means none wherever a
// slot is named.
type slab struct {
	conns []conn
	cards []card // at the same places
	page  *page  // how far the slots have been used, and the latest generation
	free  uint32 // head of the list of freed slots, linked by conn.next
	live  int
}

// newSlab makes a slab of a chapter, all of it free.
func newSlab(ch chapter) *slab { return &slab{conns: ch.conns, cards: ch.cards, page: ch.page} }

func (s *slab) at(slot uint32) *conn { return &s.conns[slot] }

// take hands out a zeroed conn and a new generation for it, or slot 0 if there
// is no more room. The conn counts as taken, also for who finds the book after a
// crash, when the generation is stored in it: that is the last thing to be done.
func (s *slab) take() (slot uint32, c *conn, generation uint32) {
	if slot = s.free; slot != 0 {
		s.free = s.conns[slot].next
	} else if int(s.page.used)+1 < len(s.conns) {
		s.page.used++
		slot = s.page.used
	} else {
		return 0, nil, 0
	}
	s.live++
	generation = (s.page.births + 1) & generationMask
	if generation == 0 {
		generation = 1
	}
	s.page.births = generation
	c = &s.conns[slot]
	*c = conn{}
	return slot, c, generation
}

// give takes a conn back. When the last one is gone the memory they had goes
// back to the system.
func (s *slab) give(slot uint32) {
	c := &s.conns[slot]
	c.generation, c.phase = 0, closed
	c.next, s.free = s.free, slot
	s.live--
	if s.live == 0 && s.page.used > slabKeep {
		forget(s.conns)
		forget(s.cards)
		s.free, s.page.used = 0, 0
	}
}

// slabKeep is how many records an empty slab keeps touched: a dozen pages.
const slabKeep = 256
