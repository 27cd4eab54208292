package main

import (
	"math"
	"slices"
	"testing"
)

func TestSpreadIsMedianAndExtremes(t *testing.T) {
	for _, c := range []struct {
		name string
		in   []float64
		want Spread
	}{
		{"odd", []float64{3, 1, 2}, Spread{2, 1, 3, 3}},
		{"even", []float64{4, 1, 2, 3}, Spread{2.5, 1, 4, 4}},
		{"one", []float64{7}, Spread{7, 7, 7, 1}},
		{"none", nil, Spread{}},
		{"what is no number is left out", []float64{math.NaN(), 5, math.Inf(1)}, Spread{5, 5, 5, 1}},
	} {
		if got := spread(c.in); got != c.want {
			t.Errorf("%s: got %v, want %v", c.name, got, c.want)
		}
	}
}

func TestRatiosAreTakenWithinARound(t *testing.T) {
	a := map[int]float64{0: 2, 1: 30, 2: 5, 4: 1}
	b := map[int]float64{0: 1, 1: 10, 3: 9, 4: 0}
	if got, want := ratios(a, b), []float64{2, 3}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestOutliersStandApart(t *testing.T) {
	for _, c := range []struct {
		name string
		in   []float64
		want []int
	}{
		{"one far off", []float64{10, 10.2, 9.9, 16, 10.1}, []int{3}},
		{"wide but even", []float64{8, 9, 10, 11, 12}, nil},
		{"narrow with a small step", []float64{10, 10, 10, 10, 11}, nil},
		{"too few to say", []float64{1, 1, 100}, nil},
	} {
		if got := outliers(c.in); !slices.Equal(got, c.want) {
			t.Errorf("%s: got %v, want %v", c.name, got, c.want)
		}
	}
}
