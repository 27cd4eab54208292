package health

import (
	"strconv"
	"strings"
	"unicode"

	"sluice/state"
)

// Limits of what an agent may say.
const (
	mostWeight      = 65535
	mostConnections = 1 << 30
)

// silence is the advice of an agent that has said nothing yet.
var silence = state.Advice{Weight: -1, MaxConnections: -1}

// heed takes a line of an agent in words of HAProxy's agent checks, apart from
// each other by spaces, tabs or commas, with a comment behind a "#":
//
//	ready drain maint      as an operator would order it
//	up                     takes a "down" back
//	down fail stopped
//	75%  weight:75%        that share of its own weight
//	weight:3               in place of its own
//	maxconn:30             in place of its max_connections
//
// What a line does not speak of stays as it was. Words that mean nothing are
// returned.
func heed(was state.Advice, line string) (now state.Advice, strange []string) {
	now = was
	words, _, _ := strings.Cut(line, "#")
	for _, word := range strings.FieldsFunc(words, func(r rune) bool { return r == ',' || unicode.IsSpace(r) }) {
		if !obey(&now, strings.ToLower(word)) {
			strange = append(strange, word)
		}
	}
	return now, strange
}

// obey takes one word and reports whether it means something.
func obey(a *state.Advice, word string) bool {
	switch word {
	case "ready":
		a.Mode = state.Ready
	case "drain":
		a.Mode = state.Drain
	case "maint":
		a.Mode = state.Maint
	case "up":
		a.Down = false
	case "down", "fail", "stopped":
		a.Down = true
	default:
		return obeyNumber(a, word)
	}
	return true
}

func obeyNumber(a *state.Advice, word string) bool {
	if text, ok := strings.CutPrefix(word, "maxconn:"); ok {
		n, ok := number10(text, mostConnections)
		if ok {
			a.MaxConnections = n
		}
		return ok
	}
	text, named := strings.CutPrefix(word, "weight:")
	text, percent := strings.CutSuffix(text, "%")
	n, ok := number10(text, mostWeight)
	if ok = ok && (named || percent); ok {
		a.Weight, a.Percent = n, percent
	}
	return ok
}

// number10 is a number from 0 to most, in digits alone.
func number10(text string, most int) (int, bool) {
	n, err := strconv.ParseUint(text, 10, 31)
	return int(n), err == nil && int(n) <= most
}
