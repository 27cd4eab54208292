package config

import (
	"fmt"
	"strings"
)

// Statuses is a set of HTTP status codes, as ranges in the order of the file.
type Statuses []StatusRange

// StatusRange is the codes from First to Last.
type StatusRange struct{ First, Last int }

// Has reports whether a code is in the set.
func (s Statuses) Has(code int) bool {
	for _, r := range s {
		if r.First <= code && code <= r.Last {
			return true
		}
	}
	return false
}

// String is the set as it is written in a file: "200-299,404".
func (s Statuses) String() string {
	var words []string
	for _, r := range s {
		if r.First == r.Last {
			words = append(words, fmt.Sprint(r.First))
		} else {
			words = append(words, fmt.Sprintf("%d-%d", r.First, r.Last))
		}
	}
	return strings.Join(words, ",")
}

// ParseStatuses takes codes from 100 to 599 and ranges of them, with commas
// between.
func ParseStatuses(s string) (Statuses, error) {
	var all Statuses
	for word := range strings.SplitSeq(s, ",") {
		first, last, isRange := strings.Cut(strings.TrimSpace(word), "-")
		if !isRange {
			last = first
		}
		a, okA := digits(first)
		b, okB := digits(last)
		if !okA || !okB || a < 100 || b > 599 || a > b {
			return nil, fmt.Errorf("%q is no status code and no range of them", clip(strings.TrimSpace(word)))
		}
		all = append(all, StatusRange{int(a), int(b)})
	}
	return all, nil
}
