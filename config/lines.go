package config

import (
	"slices"
	"unicode/utf8"
)

// lines turns byte offsets into lines and columns.
type lines struct {
	text   string
	starts []int
}

func linesOf(text string) *lines {
	l := &lines{text: text, starts: []int{0}}
	for i := range len(text) {
		if text[i] == '\n' {
			l.starts = append(l.starts, i+1)
		}
	}
	return l
}

// position is the line and the column, both from 1; a column is a character,
// whatever its number of bytes.
func (l *lines) position(offset int) (line, column int) {
	offset = max(0, min(offset, len(l.text)))
	i, found := slices.BinarySearch(l.starts, offset)
	if !found {
		i--
	}
	return i + 1, 1 + utf8.RuneCountInString(l.text[l.starts[i]:offset])
}
