package admin

import (
	"slices"
	"strings"

	dto "github.com/prometheus/client_model/go"
)

// point is one number of a scrape. It shares its labels with the same point of
// every other scrape: with a thousand backends, making them anew each time is
// most of the work.
type point struct {
	metric  dto.Metric
	gauge   dto.Gauge
	counter dto.Counter
	value   float64
}

// emitter gathers a scrape's numbers by metric. It does what a
// prometheus.Registry does, without the checks of each number against all
// others that make up half of a large scrape: that no two are the same is
// tested instead.
type emitter struct {
	families map[*described]*dto.MetricFamily
	labels   labelled
}

func (e emitter) gauge(d *described, v float64, labels ...string) {
	p := &point{value: v}
	p.gauge.Value = &p.value
	p.metric.Gauge = &p.gauge
	e.add(d, &p.metric, dto.MetricType_GAUGE, labels)
}

func (e emitter) counter(d *described, v float64, labels ...string) {
	p := &point{value: v}
	p.counter.Value = &p.value
	p.metric.Counter = &p.counter
	e.add(d, &p.metric, dto.MetricType_COUNTER, labels)
}

// sum is a count and the sum of what was counted.
func (e emitter) sum(d *described, count uint64, sum float64, labels ...string) {
	e.add(d, &dto.Metric{Summary: &dto.Summary{SampleCount: &count, SampleSum: &sum}}, dto.MetricType_SUMMARY, labels)
}

func (e emitter) flag(d *described, yes bool, labels ...string) {
	v := 0.0
	if yes {
		v = 1
	}
	e.gauge(d, v, labels...)
}

func (e emitter) add(d *described, m *dto.Metric, kind dto.MetricType, labels []string) {
	f := e.families[d]
	if f == nil {
		f = &dto.MetricFamily{Name: &d.name, Help: &d.help, Type: &kind}
		e.families[d] = f
	}
	m.Label = e.labels.of(d, labels)
	f.Metric = append(f.Metric, m)
}

// labelled keeps label pairs by names and values.
type labelled map[string][]*dto.LabelPair

// mostLabelled is how many are kept; beyond that they are made anew.
const mostLabelled = 200_000

func (l labelled) of(d *described, values []string) []*dto.LabelPair {
	if len(values) == 0 {
		return nil
	}
	key := d.labelKey + strings.Join(values, "\x00")
	pairs, ok := l[key]
	if ok {
		return pairs
	}
	pairs = make([]*dto.LabelPair, len(values))
	for i := range values {
		pairs[i] = &dto.LabelPair{Name: &d.labels[i], Value: &values[i]}
	}
	slices.SortFunc(pairs, func(a, b *dto.LabelPair) int { return strings.Compare(a.GetName(), b.GetName()) })
	if len(l) >= mostLabelled {
		clear(l)
	}
	l[key] = pairs
	return pairs
}
