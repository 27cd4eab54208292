package config

import (
	"errors"
	"math"
	"strconv"
	"strings"
	"time"
)

// Duration is a time.Duration that prints as it is written in a file: "1h",
// not "1h0m0s".
type Duration time.Duration

// String is the shortest form that ParseDuration takes.
func (d Duration) String() string {
	s := time.Duration(d).String()
	if t, ok := strings.CutSuffix(s, "m0s"); ok {
		s = t + "m"
	}
	if t, ok := strings.CutSuffix(s, "h0m"); ok {
		s = t + "h"
	}
	return s
}

var errDuration = errors.New(`not a duration such as "250ms", "2s" or "1h"`)

// ParseDuration takes what time.ParseDuration takes, but nothing negative.
func ParseDuration(s string) (time.Duration, error) {
	d, err := time.ParseDuration(s)
	if err != nil || strings.HasPrefix(s, "-") {
		return 0, errDuration
	}
	return d, nil
}

// Size is a number of bytes.
type Size int64

var sizeUnits = []struct {
	name  string
	bytes int64
}{
	{"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}, {"B", 1},
}

// String is the size in the largest unit that leaves no fraction: "64KiB".
func (s Size) String() string {
	if s == 0 {
		return "0"
	}
	for _, u := range sizeUnits {
		if int64(s)%u.bytes == 0 {
			return strconv.FormatInt(int64(s)/u.bytes, 10) + u.name
		}
	}
	return ""
}

var errSize = errors.New(`not a size such as "64KiB" or "1MiB"`)

// ParseSize takes a whole number followed by B, KiB, MiB or GiB; a number
// alone is bytes.
func ParseSize(s string) (Size, error) {
	unit := int64(1)
	for _, u := range sizeUnits {
		if number, ok := strings.CutSuffix(s, u.name); ok {
			s, unit = number, u.bytes
			break
		}
	}
	n, ok := digits(s)
	if !ok || n > math.MaxInt64/unit {
		return 0, errSize
	}
	return Size(n * unit), nil
}

// Rate is so many a second or a minute or an hour; the zero value is no limit.
type Rate struct {
	Count int64
	Per   time.Duration // time.Second, time.Minute or time.Hour
}

// String is the rate as it is written in a file; "" is no limit.
func (r Rate) String() string {
	for _, u := range rateUnits {
		if u.per == r.Per {
			return strconv.FormatInt(r.Count, 10) + "/" + u.name
		}
	}
	return ""
}

var rateUnits = []struct {
	name string
	per  time.Duration
}{
	{"s", time.Second}, {"m", time.Minute}, {"h", time.Hour},
}

var errRate = errors.New(`not a rate such as "100/s" or "600/m"`)

// ParseRate takes a whole number from 1, a slash and s, m or h; "" is no limit.
func ParseRate(s string) (Rate, error) {
	if s == "" {
		return Rate{}, nil
	}
	number, name, _ := strings.Cut(s, "/")
	n, ok := digits(number)
	if !ok || n == 0 {
		return Rate{}, errRate
	}
	for _, u := range rateUnits {
		if u.name == name {
			return Rate{Count: n, Per: u.per}, nil
		}
	}
	return Rate{}, errRate
}

// digits takes a number of nothing but digits: no sign, no underscore.
func digits(s string) (int64, bool) {
	if s == "" || strings.Trim(s, "0123456789") != "" {
		return 0, false
	}
	n, err := strconv.ParseInt(s, 10, 64)
	return n, err == nil
}
