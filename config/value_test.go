package config

import (
	"testing"
	"time"
)

func TestParseDuration(t *testing.T) {
	tests := []struct {
		in   string
		want time.Duration
		ok   bool
	}{
		{"250ms", 250 * time.Millisecond, true},
		{"2s", 2 * time.Second, true},
		{"1h", time.Hour, true},
		{"1h30m", 90 * time.Minute, true},
		{"0s", 0, true},
		{"0", 0, true},
		{"", 0, false},
		{"30", 0, false},
		{"-1s", 0, false},
		{"-0s", 0, false},
		{"1d", 0, false},
		{" 1s", 0, false},
		{"9999999h", 0, false},
	}
	for _, tt := range tests {
		got, err := ParseDuration(tt.in)
		if got != tt.want || (err == nil) != tt.ok {
			t.Errorf("%q: got %v, %v, want %v, ok %v", tt.in, got, err, tt.want, tt.ok)
		}
	}
}

func TestDurationPrintsShort(t *testing.T) {
	for in, want := range map[time.Duration]string{
		0:                      "0s",
		time.Hour:              "1h",
		90 * time.Minute:       "1h30m",
		time.Minute:            "1m",
		10 * time.Second:       "10s",
		time.Hour + 10e9:       "1h0m10s",
		250 * time.Millisecond: "250ms",
		100 * time.Minute:      "1h40m",
		20 * time.Minute:       "20m",
		10 * time.Hour:         "10h",
	} {
		if got := Duration(in).String(); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

func TestParseSize(t *testing.T) {
	tests := []struct {
		in   string
		want Size
		ok   bool
	}{
		{"0", 0, true},
		{"4096", 4096, true},
		{"1B", 1, true},
		{"64KiB", 64 << 10, true},
		{"1MiB", 1 << 20, true},
		{"2GiB", 2 << 30, true},
		{"", 0, false},
		{"KiB", 0, false},
		{"64KB", 0, false},
		{"64kib", 0, false},
		{"1.5MiB", 0, false},
		{"-1", 0, false},
		{"+1", 0, false},
		{"1_000", 0, false},
		{"64 KiB", 0, false},
		{"9223372036854775807", 1<<63 - 1, true},
		{"9223372036854775808", 0, false},
		{"8589934592GiB", 0, false},
	}
	for _, tt := range tests {
		got, err := ParseSize(tt.in)
		if got != tt.want || (err == nil) != tt.ok {
			t.Errorf("%q: got %d, %v, want %d, ok %v", tt.in, got, err, tt.want, tt.ok)
		}
	}
}

func TestParseRate(t *testing.T) {
	tests := []struct {
		in   string
		want Rate
		ok   bool
	}{
		{"", Rate{}, true},
		{"100/s", Rate{100, time.Second}, true},
		{"600/m", Rate{600, time.Minute}, true},
		{"1/h", Rate{1, time.Hour}, true},
		{"0/s", Rate{}, false},
		{"100", Rate{}, false},
		{"100/", Rate{}, false},
		{"/s", Rate{}, false},
		{"100/d", Rate{}, false},
		{"100/s/s", Rate{}, false},
		{"-1/s", Rate{}, false},
		{"1.5/s", Rate{}, false},
	}
	for _, tt := range tests {
		got, err := ParseRate(tt.in)
		if got != tt.want || (err == nil) != tt.ok {
			t.Errorf("%q: got %v, %v, want %v, ok %v", tt.in, got, err, tt.want, tt.ok)
		}
	}
}

func FuzzDuration(f *testing.F) {
	for _, s := range []string{"250ms", "1h0m10s", "1.5h", "µs", "-1s", "2562047h47m16.854775807s"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		d, err := ParseDuration(s)
		if err != nil {
			return
		}
		if d < 0 {
			t.Fatalf("%q: got %v, want nothing negative", s, d)
		}
		if again, err := ParseDuration(Duration(d).String()); err != nil || again != d {
			t.Fatalf("%q: got %v, %v from %q, want %v", s, again, err, Duration(d), d)
		}
	})
}

func FuzzSize(f *testing.F) {
	for _, s := range []string{"0", "64KiB", "1MiB", "3GiB", "17B", "9223372036854775807"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		n, err := ParseSize(s)
		if err != nil {
			return
		}
		if n < 0 {
			t.Fatalf("%q: got %d, want nothing negative", s, n)
		}
		if again, err := ParseSize(n.String()); err != nil || again != n {
			t.Fatalf("%q: got %d, %v from %q, want %d", s, again, err, n, n)
		}
	})
}

func FuzzRate(f *testing.F) {
	for _, s := range []string{"", "100/s", "600/m", "1/h", "/"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		r, err := ParseRate(s)
		if err != nil {
			return
		}
		if (r == Rate{}) != (s == "") {
			t.Fatalf("%q: got %v, want no limit only for nothing", s, r)
		}
		if again, err := ParseRate(r.String()); err != nil || again != r {
			t.Fatalf("%q: got %v, %v from %q, want %v", s, again, err, r, r)
		}
	})
}
