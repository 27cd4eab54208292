package guard

import (
	"sync/atomic"
	"time"
)

// Rate is so many clients in a time, evenly; what was not used of the last second
// may come at once. The zero value is no limit.
type Rate struct {
	every int64 // ns from one to the next
	ahead int64 // ns by which one may come too early: a second's worth but the one itself
}

// NewRate is count clients in per; 0 is no limit.
func NewRate(count int64, per time.Duration) Rate {
	if count <= 0 || per <= 0 {
		return Rate{}
	}
	r := Rate{every: max(1, int64(per)/count)}
	r.ahead = max(0, int64(time.Second)-r.every)
	return r
}

// Limited reports whether there is a limit.
func (r Rate) Limited() bool { return r.every > 0 }

// Bucket holds clients to a Rate: by GCRA (ITU-T I.371), which is a leaky bucket
// in one number. All workers may use it at once. The zero value is full.
type Bucket struct {
	next atomic.Int64 // when the next one is due
}

// Take lets one in at a time in ns, if the rate allows.
func (b *Bucket) Take(r Rate, now int64) bool {
	for {
		was := b.next.Load()
		due := max(was, now)
		if due-now > r.ahead {
			return false
		}
		if b.next.CompareAndSwap(was, due+r.every) {
			return true
		}
	}
}

// Open reports whether Take would let one in.
func (b *Bucket) Open(r Rate, now int64) bool { return max(b.next.Load(), now)-now <= r.ahead }
