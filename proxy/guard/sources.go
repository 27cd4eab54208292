package guard

import (
	"hash/maphash"
	"math/bits"
	"net/netip"
	"runtime"
	"sync/atomic"
)

// Sources counts connections by source and holds each source to a rate, in a
// fixed memory that all workers share. It is a table of sets of ways places; a
// source's hash, which is keyed, says in which set it is, and is its identity. A
// place is one key and one word:
//
//	 63    56 55            38 37                     0
//	+--------+----------------+------------------------+
//	|  turn  |  connections   | when its next is due   |
//	+--------+----------------+------------------------+
//
// A known source changes its word by compare and swap and takes no lock. A new one
// takes its set's latch, so that no source has two places. Turn counts who had the
// place, so that a late change by somebody else fails.
//
// A source without connections that owes nothing to its rate is the same as one
// that is not there, so its place is free to be taken. While no more sources have
// connections or owe than an eighth of the places, every count is exact. Beyond that:
//
//   - Where a set has no free place, the source that owes least and has no connection
//     is forgotten. What that one gains is what it owed. So a source can come faster
//     than its rate only by one burst for about as many strangers as there are places.
//     Nobody is refused for it.
//   - Where all places of a set have connections, a new source is let in without
//     being counted. There are eight times more places than connections can be, so
//     that takes more luck than there is: one case in 10^11 sets, and the hash's key
//     is not known to an attacker.
type Sources struct {
	Prefix    int // bits of an IPv6 address that make a source; fixed
	seed      maphash.Seed
	sets      []set
	shift     int // of a hash, to have its set
	forgotten atomic.Uint64
	uncounted atomic.Uint64
}

// ways is how many places a set has: with the latch, its keys fill two cache lines.
const ways = 15

type set struct {
	keys  [ways]atomic.Uint64 // 0: nobody
	latch atomic.Uint32
	_     uint32
	words [ways]atomic.Uint64
	_     uint64
}

const (
	dueBits   = 38
	countBits = 18
	dueMask   = 1<<dueBits - 1
	countMask = 1<<countBits - 1
	changing  = countMask // the count of a place that is changing hands
	// MostPerSource is the highest limit of connections that can be counted.
	MostPerSource = changing - 1
	// unitShift makes units of about a µs of ns; due goes round in three days, and
	// what is further ahead than a rate can bring it is in the past.
	unitShift = 10
)

type word uint64

func (w word) count() int64 { return int64(w >> dueBits & countMask) }

// owes is how many units after now the source's next is due.
func (w word) owes(now, most uint64) uint64 {
	if ahead := (uint64(w) - now) & dueMask; ahead <= most {
		return ahead
	}
	return 0
}

func (w word) with(count int64, due uint64) word {
	return w&^(1<<(dueBits+countBits)-1) | word(count)<<dueBits | word(due&dueMask)
}

// taken is the word of a place that changes hands.
func (w word) taken() word {
	return (w>>(dueBits+countBits)+1)<<(dueBits+countBits) | changing<<dueBits
}

// Verdict is what Enter says.
type Verdict uint8

// The verdicts.
const (
	Admitted Verdict = iota
	TooMany          // as many connections as a source may have
	TooFast          // its rate is used up
)

// Limits are those of one source; zero values are none.
type Limits struct {
	Most int64 // connections, up to MostPerSource
	Rate Rate
}

// NewSources has room for the sources of so many connections: 128 bytes for each,
// at least one MiB, at most 64. prefix is how many bits of an IPv6 address make a
// source.
func NewSources(connections, prefix int) *Sources {
	n := min(max(8*connections/ways, 1<<12), 1<<18)
	log := bits.Len(uint(n - 1))
	return &Sources{Prefix: prefix, seed: maphash.MakeSeed(), sets: make([]set, 1<<log), shift: 64 - log}
}

// Key is the identity of an address here.
func (s *Sources) Key(ip netip.Addr) uint64 { return Key(s.seed, ip, s.Prefix) }

// Key is the identity of an address: IPv4 by itself, IPv6 by its first bits.
func Key(seed maphash.Seed, ip netip.Addr, prefix int) uint64 {
	b := ip.As16()
	if ip.Is6() && !ip.Is4In6() {
		for i := range b {
			switch keep := prefix - 8*i; {
			case keep <= 0:
				b[i] = 0
			case keep < 8:
				b[i] &= 0xff << (8 - keep)
			}
		}
	}
	return max(1, maphash.Bytes(seed, b[:]))
}

// units are those of a rate, and of a time.
func units(ns int64) uint64 { return (uint64(ns) + 1<<(unitShift-1)) >> unitShift }

// Enter lets one connection of a source in, or not. counted says whether Leave has
// to be called when it ends; without a limit of connections it is never so. now is
// in ns.
func (s *Sources) Enter(key uint64, now int64, l Limits) (v Verdict, counted bool) {
	return s.enter(key, uint64(now)>>unitShift, l, l.Most)
}

// Restore counts a connection that is there, whatever the limits.
func (s *Sources) Restore(key uint64) (counted bool) {
	_, counted = s.enter(key, 0, Limits{}, MostPerSource)
	return counted
}

func (s *Sources) enter(key, now uint64, l Limits, most int64) (Verdict, bool) {
	in := &s.sets[key>>s.shift]
	for {
		i := in.find(key)
		if i < 0 {
			if i = s.settle(in, key, now, l); i < 0 {
				s.uncounted.Add(1)
				return Admitted, false
			}
		}
		for {
			was := word(in.words[i].Load())
			if was.count() == changing || in.keys[i].Load() != key {
				break // it is another's by now
			}
			is, v := was.enter(now, l, most)
			if v != Admitted {
				return v, false
			}
			if in.words[i].CompareAndSwap(uint64(was), uint64(is)) {
				return Admitted, most > 0
			}
		}
	}
}

func (w word) enter(now uint64, l Limits, most int64) (word, Verdict) {
	count, due := w.count(), uint64(w)
	if most > 0 {
		if count >= most {
			return w, TooMany
		}
		count++
	}
	if l.Rate.Limited() {
		owes := w.owes(now, l.mayOwe())
		if owes > units(l.Rate.ahead) {
			return w, TooFast
		}
		due = now + owes + max(1, units(l.Rate.every))
	}
	return w.with(count, due), Admitted
}

// mayOwe is the most that a source can owe.
func (l Limits) mayOwe() uint64 {
	if !l.Rate.Limited() {
		return 0
	}
	return units(l.Rate.ahead) + max(1, units(l.Rate.every))
}

func (in *set) find(key uint64) int {
	for i := range in.keys {
		if in.keys[i].Load() == key {
			return i
		}
	}
	return -1
}

// settle finds a place for a source that has none; -1 if there is none to be had.
func (s *Sources) settle(in *set, key, now uint64, l Limits) int {
	for n := 0; !in.latch.CompareAndSwap(0, 1); n++ {
		if n > 1000 { // the other worker was interrupted
			runtime.Gosched()
		}
	}
	defer in.latch.Store(0)
	if i := in.find(key); i >= 0 {
		return i
	}
	for {
		place, least, found := -1, ^uint64(0), word(0)
		for i := range in.keys {
			w := word(in.words[i].Load())
			if w.count() != 0 {
				continue
			}
			owes := w.owes(now, l.mayOwe())
			if in.keys[i].Load() == 0 {
				owes = 0
			}
			if owes < least {
				place, least, found = i, owes, w
			}
			if owes == 0 {
				break
			}
		}
		if place < 0 {
			return -1
		}
		busy := found.taken()
		if !in.words[place].CompareAndSwap(uint64(found), uint64(busy)) {
			continue // it has just come back
		}
		if least > 0 {
			s.forgotten.Add(1)
		}
		in.keys[place].Store(key)
		in.words[place].Store(uint64(busy.with(0, now)))
		return place
	}
}

// Leave takes back what Enter or Restore has counted.
func (s *Sources) Leave(key uint64) {
	in := &s.sets[key>>s.shift]
	i := in.find(key)
	if i < 0 {
		return
	}
	for { // it has a connection, so the place stays its own
		was := word(in.words[i].Load())
		if was.count() == 0 || was.count() == changing {
			return
		}
		if in.words[i].CompareAndSwap(uint64(was), uint64(was.with(was.count()-1, uint64(was)))) {
			return
		}
	}
}

// Look is how many connections of a source are counted, and what Enter would say.
func (s *Sources) Look(key uint64, now int64, l Limits) (count int64, v Verdict) {
	in := &s.sets[key>>s.shift]
	w := word(0).with(0, uint64(now)>>unitShift)
	if i := in.find(key); i >= 0 {
		if is := word(in.words[i].Load()); is.count() != changing {
			w = is
		}
	}
	_, v = w.enter(uint64(now)>>unitShift, l, l.Most)
	return w.count(), v
}

// Forgotten is how many sources were forgotten that owed something, and Uncounted
// how many connections were let in without being counted, since there was no place.
func (s *Sources) Forgotten() uint64 { return s.forgotten.Load() }

// Uncounted is described with Forgotten.
func (s *Sources) Uncounted() uint64 { return s.uncounted.Load() }
