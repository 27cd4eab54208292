package top

import (
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// clean takes out what a terminal would obey: a reason may have come from a
// backend.
func clean(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) && r != utf8.RuneError {
			return r
		}
		return '?'
	}, s)
}

// fit makes s exactly so many columns wide.
func fit(s string, width int, look align) string {
	n := utf8.RuneCountInString(s)
	switch {
	case width <= 0:
		return ""
	case n > width && look == tail:
		return string([]rune(s)[n-width:])
	case n > width:
		return string([]rune(s)[:width-1]) + "…"
	case look == right:
		return strings.Repeat(" ", width-n) + s
	}
	return s + strings.Repeat(" ", width-n)
}

// Bytes is a number of bytes as people read it, in at most ten columns:
// "1.5 MiB".
func Bytes(n uint64) string {
	units := []string{"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"}
	f, i := float64(n), 0
	for f >= 1023.95 && i < len(units)-1 {
		f /= 1024
		i++
	}
	if i == 0 {
		return fmt.Sprintf("%d B", n)
	}
	return fmt.Sprintf("%.1f %s", f, units[i])
}

func speed(n float64) string { return Bytes(uint64(max(n, 0))) + "/s" }

func perSecond(n float64) string {
	if n == 0 || n >= 10 {
		return fmt.Sprintf("%.0f", n)
	}
	return fmt.Sprintf("%.1f", n)
}

// span is a time in its two largest units.
func span(d time.Duration) string {
	s := int(d.Seconds())
	switch {
	case s < 10:
		return fmt.Sprintf("%.1fs", d.Seconds())
	case s < 60:
		return fmt.Sprintf("%ds", s)
	case s < 3600:
		return fmt.Sprintf("%dm%02ds", s/60, s%60)
	case s < 86400:
		return fmt.Sprintf("%dh%02dm", s/3600, s/60%60)
	}
	return fmt.Sprintf("%dd%02dh", s/86400, s/3600%24)
}

func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }

// trace draws numbers, the latest at the end, most as the full height.
func trace(numbers []float32, most float32) string {
	const bars = " ▁▂▃▄▅▆▇█"
	heights := []rune(bars)
	var s strings.Builder
	s.WriteString(strings.Repeat(" ", max(0, traceSteps-len(numbers))))
	for _, n := range numbers {
		i := 0
		if n > 0 && most > 0 {
			i = 1 + min(int(n/most*8), 7)
		}
		s.WriteRune(heights[i])
	}
	return s.String()
}
