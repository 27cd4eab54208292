package config

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Fault is one thing that is wrong with a configuration.
type Fault struct {
	File    string
	Line    int // from 1; 0: the file as a whole
	Column  int // from 1, in characters
	Key     string
	Message string
}

// String is "file:line:column: key: message" on one line.
func (f Fault) String() string {
	var b strings.Builder
	if f.File != "" {
		b.WriteString(f.File)
		b.WriteByte(':')
	}
	if f.Line > 0 {
		fmt.Fprintf(&b, "%d:%d:", f.Line, f.Column)
	}
	if b.Len() > 0 {
		b.WriteByte(' ')
	}
	if f.Key != "" {
		b.WriteString(f.Key)
		b.WriteString(": ")
	}
	b.WriteString(f.Message)
	return b.String()
}

// Faults is everything that is wrong: file by file in the order of reading,
// and by position within a file.
type Faults []Fault

// Error is one fault a line.
func (fs Faults) Error() string {
	lines := make([]string, len(fs))
	for i, f := range fs {
		lines[i] = f.String()
	}
	return strings.Join(lines, "\n")
}

// order sorts by position; files stand in the order in which they were read.
func (fs Faults) order(files []string) {
	rank := make(map[string]int, len(files))
	for i, name := range files {
		rank[name] = i
	}
	slices.SortStableFunc(fs, func(a, b Fault) int {
		return cmp.Or(
			cmp.Compare(rank[a.File], rank[b.File]),
			cmp.Compare(a.Line, b.Line),
			cmp.Compare(a.Column, b.Column),
		)
	})
}

// didYouMean is "; did you mean X?" when one of the words is near, else "".
func didYouMean(word string, known []string) string {
	if n := near(word, known); n != "" {
		return fmt.Sprintf("; did you mean %q?", n)
	}
	return ""
}

// near is the known word that someone who typed word most likely meant.
func near(word string, known []string) string {
	word = plain(word)
	if word == "" || len(word) > 64 {
		return ""
	}
	best, least := "", 1+min(3, (len(word)+1)/3)
	for _, k := range known {
		p := plain(k)
		d := distance(word, p)
		// "warning" means "warn", and "conn" means "connections".
		if best == "" && d >= least && min(len(p), len(word)) >= 4 && (strings.HasPrefix(word, p) || strings.HasPrefix(p, word)) {
			best = k
		}
		if d < least {
			best, least = k, d
		}
	}
	return best
}

func plain(s string) string { return strings.ReplaceAll(strings.ToLower(s), "-", "_") }

// distance counts the letters to insert, drop, replace or swap with their
// neighbour (optimal string alignment).
func distance(a, b string) int {
	before, last, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row[0] = i
		for j := 1; j <= len(b); j++ {
			change := 1
			if a[i-1] == b[j-1] {
				change = 0
			}
			row[j] = min(last[j]+1, row[j-1]+1, last[j-1]+change)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, last, row = last, row, before
	}
	return last[len(b)]
}
