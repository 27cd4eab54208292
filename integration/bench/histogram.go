package main

import (
	"math/bits"
	"time"
)

// subBuckets is how many buckets share a power of two: a value is known to
// 1/64 of itself.
const subBuckets = 64

// Histogram counts durations in buckets whose width grows with the value. The
// zero value is empty.
type Histogram struct {
	counts [subBuckets * 60]uint32
	n      uint64
	max    time.Duration
}

// Add counts one duration; a negative one counts as zero.
func (h *Histogram) Add(d time.Duration) {
	d = max(d, 0)
	h.counts[bucket(uint64(d))]++
	h.n++
	h.max = max(h.max, d)
}

// Merge adds what o has counted.
func (h *Histogram) Merge(o *Histogram) {
	for i, c := range o.counts {
		h.counts[i] += c
	}
	h.n += o.n
	h.max = max(h.max, o.max)
}

// Count is how many durations were added.
func (h *Histogram) Count() uint64 { return h.n }

// Quantile is the duration that the share q of all does not exceed; 0 if there
// are none.
func (h *Histogram) Quantile(q float64) time.Duration {
	if h.n == 0 {
		return 0
	}
	rank := uint64(q * float64(h.n))
	if rank >= h.n {
		return h.max
	}
	seen := uint64(0)
	for i, c := range h.counts {
		if seen += uint64(c); seen > rank {
			return min(middle(i), h.max)
		}
	}
	return h.max
}

// bucket is the index for v. Up to 128 every value has its own.
func bucket(v uint64) int {
	if v < 2*subBuckets {
		return int(v)
	}
	shift := bits.Len64(v) - bits.Len(subBuckets)
	return shift*subBuckets + int(v>>shift)
}

// middle is the value in the middle of bucket i.
func middle(i int) time.Duration {
	if i < 2*subBuckets {
		return time.Duration(i)
	}
	shift := i/subBuckets - 1
	low := uint64(i%subBuckets+subBuckets) << shift
	return time.Duration(low + uint64(1)<<shift/2)
}
