package main

import (
	"math"
	"slices"
)

// Spread is what several runs showed of one number.
type Spread struct {
	Median float64 `json:"median"`
	Min    float64 `json:"min"`
	Max    float64 `json:"max"`
	N      int     `json:"n"`
}

// spread sums up numbers; those that are not finite are left out.
func spread(numbers []float64) Spread {
	var xs []float64
	for _, x := range numbers {
		if !math.IsNaN(x) && !math.IsInf(x, 0) {
			xs = append(xs, x)
		}
	}
	if len(xs) == 0 {
		return Spread{}
	}
	slices.Sort(xs)
	return Spread{Median: middleOf(xs), Min: xs[0], Max: xs[len(xs)-1], N: len(xs)}
}

func median(xs []float64) float64 { return spread(xs).Median }

func middleOf(sorted []float64) float64 {
	n := len(sorted)
	if n%2 == 1 {
		return sorted[n/2]
	}
	return (sorted[n/2-1] + sorted[n/2]) / 2
}

// ratios divides what a showed by what b showed in the same round. Rounds that
// only one of them has, or in which b is zero, are left out.
func ratios(a, b map[int]float64) []float64 {
	var rounds []int
	for round, below := range b {
		if _, both := a[round]; both && below != 0 {
			rounds = append(rounds, round)
		}
	}
	slices.Sort(rounds)
	out := make([]float64, 0, len(rounds))
	for _, round := range rounds {
		out = append(out, a[round]/b[round])
	}
	return out
}

// outliers are the indices of numbers that stand apart: further from the
// median than a quarter of it and than four times the median distance. Fewer
// than four numbers have no outliers.
func outliers(xs []float64) []int {
	if len(xs) < 4 {
		return nil
	}
	mid := median(xs)
	apart := make([]float64, len(xs))
	for i, x := range xs {
		apart[i] = math.Abs(x - mid)
	}
	usual := median(apart)
	var out []int
	for i, d := range apart {
		if d > 4*usual && d > mid/4 {
			out = append(out, i)
		}
	}
	return out
}
