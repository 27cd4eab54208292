package main

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

func TestQuantilesAreWithinTwoPercent(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	var h Histogram
	var all []float64
	for range 20000 {
		d := time.Duration(math.Exp(r.Float64()*20) + 1)
		h.Add(d)
		all = append(all, float64(d))
	}
	slices.Sort(all)
	for _, q := range []float64{0, 0.5, 0.9, 0.99, 0.999} {
		want := all[int(q*float64(len(all)))]
		got := float64(h.Quantile(q))
		if math.Abs(got-want) > 0.02*want+1 {
			t.Errorf("quantile %v: got %v, want %v", q, got, want)
		}
	}
	if got := h.Quantile(1); float64(got) != all[len(all)-1] {
		t.Errorf("the greatest: got %v, want %v", got, all[len(all)-1])
	}
}

func TestBucketsFollowOneAnother(t *testing.T) {
	last := -1
	for shift := range 62 {
		for _, v := range []uint64{1 << shift, 1<<shift + 1<<shift/2, 2<<shift - 1} {
			i := bucket(v)
			if i < last {
				t.Fatalf("%d is in bucket %d, after bucket %d", v, i, last)
			}
			if got := float64(middle(i)); math.Abs(got-float64(v)) > float64(v)/64+1 {
				t.Fatalf("%d is in bucket %d, which stands for %v", v, i, got)
			}
			last = i
		}
	}
}

func TestMergedHistogramsCountAsOne(t *testing.T) {
	var a, b, both Histogram
	for i := range 1000 {
		d := time.Duration(i * i)
		both.Add(d)
		if i%3 == 0 {
			a.Add(d)
		} else {
			b.Add(d)
		}
	}
	a.Merge(&b)
	if a != both {
		t.Error("two halves merged are not the whole")
	}
	if a.Count() != 1000 {
		t.Errorf("got %d durations, want 1000", a.Count())
	}
}

func TestEmptyHistogramSaysZero(t *testing.T) {
	var h Histogram
	if got := h.Quantile(0.99); got != 0 {
		t.Errorf("got %v, want 0", got)
	}
}
