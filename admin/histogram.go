package admin

import (
	"maps"
	"math"
	"slices"

	dto "github.com/prometheus/client_model/go"
)

// histogram counts durations in s. It is the project's own since that of
// prometheus/client_golang cannot go on from what another process has counted.
type histogram struct {
	Count   uint64         `json:"count"`
	Sum     float64        `json:"sum"`
	Classic map[int]uint64 `json:"classic"` // by bound; those beyond the last are in Count alone
	Native  map[int]uint64 `json:"native"`  // by exponent: nativeBound(key-1) < v <= nativeBound(key)
	Zero    uint64         `json:"zero"`
}

// nativeSchema gives four buckets to each doubling: a bucket is 19 % wide.
const nativeSchema = 2

var (
	// quick are the bounds for what takes a backend, long for what connections
	// last, in s.
	quick = []float64{.0001, .00025, .0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5}
	long  = []float64{.001, .01, .1, 1, 10, 60, 600, 3600, 86400}
)

func newHistogram() *histogram {
	return &histogram{Classic: make(map[int]uint64), Native: make(map[int]uint64)}
}

func (h *histogram) observe(v float64, bounds []float64) {
	h.Count++
	h.Sum += v
	if i, _ := slices.BinarySearch(bounds, v); i < len(bounds) {
		h.Classic[i]++
	}
	if v <= 0 {
		h.Zero++
		return
	}
	h.Native[int(math.Ceil(math.Log2(v)*(1<<nativeSchema)))]++
}

// metric is h as Prometheus has it, in classic and in native buckets.
func (h *histogram) metric(bounds []float64) *dto.Metric {
	m := &dto.Histogram{
		SampleCount: new(h.Count), SampleSum: new(h.Sum),
		Schema: new(int32(nativeSchema)), ZeroThreshold: new(math.SmallestNonzeroFloat64), ZeroCount: new(h.Zero),
	}
	under := uint64(0)
	for i, bound := range bounds {
		under += h.Classic[i]
		m.Bucket = append(m.Bucket, &dto.Bucket{UpperBound: new(bound), CumulativeCount: new(under)})
	}
	// A span is a row of buckets, its offset that from the end of the span before;
	// each count is written as the difference to the one before. Empty buckets
	// are cheaper than a new span where they are few.
	end, before := 0, int64(0)
	add := func(n uint64) {
		*m.PositiveSpan[len(m.PositiveSpan)-1].Length++
		m.PositiveDelta = append(m.PositiveDelta, int64(n)-before)
		end, before = end+1, int64(n)
	}
	for _, key := range slices.Sorted(maps.Keys(h.Native)) {
		if len(m.PositiveSpan) == 0 || key-end > 2 {
			m.PositiveSpan = append(m.PositiveSpan, &dto.BucketSpan{Offset: new(int32(key - end)), Length: new(uint32(0))})
			end = key
		}
		for end < key {
			add(0)
		}
		add(h.Native[key])
	}
	if len(m.PositiveSpan) == 0 { // what tells a native histogram without observations from none
		m.PositiveSpan = []*dto.BucketSpan{{Offset: new(int32(0)), Length: new(uint32(0))}}
	}
	return &dto.Metric{Histogram: m}
}
