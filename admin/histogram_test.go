package admin

import (
	"math/rand/v2"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"sluice/internal/testnet"
)

// The buckets are those that prometheus/client_golang makes of the same values.
func TestHistogramIsAsPrometheusHasIt(t *testing.T) {
	theirs := prometheus.NewHistogram(prometheus.HistogramOpts{
		Name: "x", Buckets: quick, NativeHistogramBucketFactor: 1.19,
		NativeHistogramZeroThreshold: prometheus.NativeHistogramZeroThresholdZero,
	})
	ours := newHistogram()
	draw := rand.New(rand.NewPCG(1, 2))
	values := []float64{0, .0001, .00025, 0.25, 0.5, 1, 2, 5, 8, 100000}
	for range 2000 {
		values = append(values, draw.ExpFloat64()*0.01)
	}
	for _, v := range values {
		theirs.Observe(v)
		ours.observe(v, quick)
	}
	var want dto.Metric
	testnet.Must(t, "write", theirs.Write(&want))
	want.Histogram.CreatedTimestamp = nil
	got := ours.metric(quick)
	got.Histogram.ZeroThreshold = want.Histogram.ZeroThreshold
	if got.String() != want.String() {
		t.Errorf("got\n%s\nwant\n%s", got, &want)
	}
	if empty := newHistogram().metric(quick).Histogram; len(empty.PositiveSpan) != 1 || empty.GetSampleCount() != 0 {
		t.Errorf("one without observations is %s", empty)
	}
}
