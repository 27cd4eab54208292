// Package relay decides, for one direction of a connection, what to do next.
// It imports nothing: no descriptor, no clock, no error. A connection runs two
// Flows, up and down, each through the same short shell of system calls.
package relay

// Op is what a Flow asks of its shell.
type Op uint8

// The operations. After Fill, Drain, Hop and Shut the shell reports what came
// of it by one of the Flow's verbs and asks again; after Wait it comes back
// with an event, after Yield with the next turn, after Done never.
const (
	Wait  Op = iota // nothing to do until an event
	Fill            // move bytes from the source into the empty pipe
	Drain           // move the pending bytes from the pipe to the sink
	Hop             // carry the urgent byte the source stands at over to the sink
	Shut            // end the sink's stream: everything before it was delivered
	Yield           // more to do, but this turn is over
	Done            // this direction has ended
)

// A Flow moves one direction's bytes from its source socket through a pipe to
// its sink socket:
//
//	          Fill: n bytes                 Drain: all gone
//	empty ------------------> loaded ------------------------> empty
//	  |  ^                      | |
//	  |  | hopped               | +-- Drain: sink broken --> over (cut)
//	  |  +------- marked        |
//	  |  urgent --^             +---- Drain: full --> waits for the sink
//	  |
//	  +-- Fill: end ----> ended -- Shut done --> over
//	  +-- Fill: broken -> over (broken)
//	  +-- Fill: again --> waits for the source
//
// Fill moves bytes only into an empty pipe; so a source that says "again" is
// empty for certain, and a source that breaks or ends leaves nothing behind.
// Readiness is a latch that an event sets and only "again" clears: a short
// move proves nothing about the socket. The one exception is a fill so short
// that the pipe cannot have been the limit; see Filled.
type Flow struct {
	pending uint32 // bytes in the pipe
	bits    bits
	fills   uint8 // fills left in this turn
}

type bits uint16

const (
	readable bits = 1 << iota // the source may have bytes, an end or an error
	writable                  // the sink may have room
	final                     // the source's last event has come: no other will follow
	marked                    // the source has, or had, an urgent byte ahead
	urgent                    // the source stands at its urgent byte
	ended                     // the source has ended, cleanly
	broken                    // the source broke: what follows it is a reset
	cut                       // the sink broke: bytes were, or would be, lost
	over                      // nothing more will happen
	doubted                   // the source is probably empty, though that is not proven
)

// Bits are the names of what a Flow remembers, lowest bit first, for who keeps a
// Flow longer than a process and may read it with another version.
var Bits = [...]string{"readable", "writable", "final", "marked", "urgent", "ended", "broken", "cut", "over", "doubted"}

// Init makes a Flow whose sink has room and whose source waits for its first
// event.
func (f *Flow) Init() { *f = Flow{bits: writable} }

// Turn begins a turn in which the Flow may fill at most fills times.
func (f *Flow) Turn(fills uint8) { f.fills = fills }

// Readable says that the source had an event: bytes, an end or an error may
// be there.
func (f *Flow) Readable() { f.bits = f.bits&^doubted | readable }

// Final says that the source had its last event (it has ended or broken), so
// that it must be read to the end without waiting for another.
func (f *Flow) Final() { f.bits = f.bits&^doubted | readable | final }

// Marked says that an urgent byte is ahead in the source. A fill stops before
// it, so a short fill is no proof of anything until the source was seen empty.
func (f *Flow) Marked() { f.bits = f.bits&^doubted | readable | marked }

// Writable says that the sink had an event: it has room, or is broken.
func (f *Flow) Writable() { f.bits |= writable }

// Next says what to do now. It changes nothing.
func (f *Flow) Next() Op {
	switch b := f.bits; {
	case b&over != 0:
		return Done
	case f.pending > 0:
		if b&writable == 0 {
			return Wait
		}
		return Drain
	case b&ended != 0:
		return Shut
	case b&(readable|doubted) != readable:
		return Wait
	case b&urgent != 0:
		if b&writable == 0 {
			return Wait
		}
		return Hop
	case f.fills == 0:
		return Yield
	}
	return Fill
}

// Filled says that n > 0 bytes are now in the pipe. proof says that the fill
// was too short for the pipe to have been its limit: the source was emptied.
// That is believed unless the source has something behind its bytes that will
// cause no further event: its end, an error, an urgent byte.
func (f *Flow) Filled(n int, proof bool) {
	f.pending = uint32(n)
	f.spend()
	if proof && f.bits&(final|marked) == 0 {
		f.bits &^= readable
	}
}

// Doubt says, after Filled, that the fill was so short that the source is
// probably empty. The Flow then waits for an event, as if it were, but keeps
// its latch: Recheck has to be called before long, since bytes that a pipe had
// no slot for cause no event. It is not believed where proof would not be.
func (f *Flow) Doubt() {
	if f.bits&(final|marked) == 0 {
		f.bits |= doubted
	}
}

// Doubted reports whether the Flow waits on a Doubt.
func (f *Flow) Doubted() bool { return f.bits&(doubted|readable|over) == doubted|readable }

// Recheck ends a Doubt: the source is asked again.
func (f *Flow) Recheck() { f.bits &^= doubted }

// SourceEmpty says that a fill found nothing and the source does not stand at
// a mark, or that the urgent byte itself has not come yet. Whatever comes will
// cause an event.
func (f *Flow) SourceEmpty() { f.bits &^= readable | marked }

// SourceEnded says that the source has ended cleanly: FIN.
func (f *Flow) SourceEnded() { f.bits |= ended }

// SourceBroke says that the source is broken: RST, a timeout of its own.
// Everything read from it before was delivered, since the pipe is empty.
func (f *Flow) SourceBroke() { f.bits |= broken | over }

// SourceUrgent says that a fill found nothing, "again" or zero, because the
// source stands at its urgent byte.
func (f *Flow) SourceUrgent() { f.bits |= urgent | marked }

// Hopped says that the urgent byte was carried over, and that n bytes which
// followed it are in the pipe; or, with 0, that the source does not stand at
// its urgent byte any more, since a later one took its place. Because of such
// a later one, whose event may have been and gone, the source stays marked.
func (f *Flow) Hopped(n int) {
	f.pending = uint32(n)
	f.bits &^= urgent
	f.spend()
}

// Carry says how many bytes are in the pipe, for who finds a Flow that may not
// know of its last Filled or Drained.
func (f *Flow) Carry(n int) { f.pending = uint32(n) }

// Drained says that n bytes, at least one, went from the pipe to the sink.
func (f *Flow) Drained(n int) { f.pending -= uint32(n) }

// SinkFull says that the sink took nothing, for now.
func (f *Flow) SinkFull() { f.bits &^= writable }

// SinkBroke says that the sink will take nothing ever again. It returns how
// many bytes are lost in the pipe, which must be emptied before another uses
// it.
func (f *Flow) SinkBroke() (lost int) {
	lost, f.pending = int(f.pending), 0
	f.bits |= cut | over
	return lost
}

// ShutDone says that the sink's stream was ended.
func (f *Flow) ShutDone() { f.bits |= over }

// Pending is the number of bytes in the pipe.
func (f *Flow) Pending() int { return int(f.pending) }

// Over reports whether the direction has ended, in whatever way.
func (f *Flow) Over() bool { return f.bits&over != 0 }

// Ended reports whether the source has ended cleanly.
func (f *Flow) Ended() bool { return f.bits&ended != 0 }

// EndIsCertain reports whether a read that comes to nothing is the source's
// end: an event has told of the end, and none of an urgent byte, before which
// a read comes to nothing as well.
func (f *Flow) EndIsCertain() bool { return f.bits&(final|marked) == final }

// AtMark reports whether an urgent byte may be ahead in the source.
func (f *Flow) AtMark() bool { return f.bits&marked != 0 }

// Sound reports whether the Flow knows what all its bits mean, for who finds one that
// may be damaged.
func (f *Flow) Sound() bool { return f.bits>>len(Bits) == 0 }

func (f *Flow) spend() {
	if f.fills > 0 {
		f.fills--
	}
}
