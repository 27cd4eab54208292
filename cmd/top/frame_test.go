package top

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"sluice/internal/testnet"
)

var update = flag.Bool("update", false, "write the golden files")

// plainText is lines without their styles.
func plainText(lines []line) string {
	var text strings.Builder
	for _, l := range lines {
		var row strings.Builder
		for _, p := range l {
			row.WriteString(p.text)
		}
		text.WriteString(strings.TrimRight(row.String(), " ") + "\n")
	}
	return text.String()
}

func TestFrames(t *testing.T) {
	ask := orderBackend(&sample().Pools[1].Backends[0], "drain")
	for _, tt := range []struct {
		name          string
		width, height int
		change        func(*state)
	}{
		{"pools", 80, 24, func(*state) {}},
		{"pools-wide", 160, 20, func(s *state) { s.sort[pools] = 4 }},
		{"connections", 80, 10, func(s *state) { s.page = connections }},
		{"transitions", 80, 10, func(s *state) { s.page = transitions }},
		{"asked", 40, 8, func(s *state) { s.ask = ask }},
		{"lost", 80, 8, func(s *state) { s.lost = "lost: refused\x1b[2J" }},
		{"waiting", 40, 8, func(s *state) { *s = state{} }},
		{"read-only", 80, 8, func(s *state) { s.model.whole.Status.ReadOnly = true }},
		{"small", 39, 3, func(*state) {}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := sampleState()
			tt.change(s)
			got := plainText(s.frame(tt.width, tt.height, noon))
			path := filepath.Join("testdata", tt.name+".golden")
			if *update {
				testnet.Must(t, "write", os.WriteFile(path, []byte(got), 0o644))
			}
			want, err := os.ReadFile(path)
			testnet.Must(t, "read", err)
			if got != string(want) {
				t.Errorf("%s (-update writes it):\ngot:\n%s\nwant:\n%s", path, got, want)
			}
		})
	}
}

func TestEveryFrameFits(t *testing.T) {
	for width := 1; width <= 260; width++ {
		for _, height := range []int{1, 7, 8, 9, 24, 60} {
			for p := range pages {
				s := sampleState()
				s.page = p
				lines := s.frame(width, height, noon)
				if len(lines) != height {
					t.Fatalf("%dx%d: %d lines", width, height, len(lines))
				}
				for _, row := range strings.Split(plainText(lines), "\n") {
					if utf8.RuneCountInString(row) > width {
						t.Fatalf("%dx%d: %q is %d wide", width, height, row, utf8.RuneCountInString(row))
					}
				}
			}
		}
	}
}

func TestSorting(t *testing.T) {
	for by, want := range map[string]string{"file": "b1 b2 b3 b4 b5", "open": "b3 b1 b2 b4 b5", "bytes": "b1 b3 b2 b4 b5", "new": "b3 b1 b2 b4 b5", "state": "b2 b4 b3 b5 b1"} {
		s := sampleState()
		var got []string
		for _, r := range poolRows(&s.model, by, noon) {
			if r.backend != nil && r.backend.Pool == "web" {
				got = append(got, r.backend.Name)
			}
		}
		if strings.Join(got, " ") != want {
			t.Errorf("by %s: %v, want %s", by, got, want)
		}
	}
}

func TestTheChosenRowStaysInSightAndStaysTheSame(t *testing.T) {
	s := sampleState()
	chosen := func() string {
		rows := s.rows(noon)
		return rows[s.choose(rows)].key()
	}
	see := func() {
		t.Helper()
		got := plainText(s.frame(80, 10, noon))
		if name := strings.Fields(chosen())[1]; !strings.Contains(got, "  "+name+" ") {
			t.Errorf("%s is not in sight:\n%s", name, got)
		}
	}
	for _, tt := range []struct {
		by   int
		want string
	}{{0, "api a1"}, {1, "api a2"}, {1, "web b1"}, {10, "web b5"}, {1, "web b5"}, {-3, "web b2"}, {-10, "api a1"}} {
		s.move(tt.by, noon)
		if got := chosen(); got != tt.want {
			t.Errorf("%+d: %s is chosen, want %s", tt.by, got, tt.want)
		}
		see()
	}
	s.move(10, noon)
	s.sort[pools] = 4 // by state: b5 is elsewhere
	if got := chosen(); got != "web b5" {
		t.Errorf("in another order %s is chosen, want web b5", got)
	}
	see()
	s.page = transitions
	s.move(5, noon)
	if got := plainText(s.frame(80, 10, noon)); !strings.Contains(got, "web/b2") {
		t.Errorf("the transition is gone:\n%s", got)
	}
}

func TestKeysAskAboutWhatIsChosen(t *testing.T) {
	for _, tt := range []struct {
		page page
		key  string
		want string
	}{
		{pools, "d", "drain api/a1? It gets no new connections."}, {pools, "m", "maintenance for api/a1? It gets no new connections."},
		{pools, "r", "ready api/a1? It gets connections again."}, {pools, "x", ""},
		{connections, "x", "kill the connection of 198.51.100.7:51000?"}, {connections, "d", ""}, {transitions, "d", ""},
	} {
		s := sampleState()
		s.page = tt.page
		got := ""
		if q := s.order(tt.key, noon); q != nil {
			got = q.text
		}
		if got != tt.want {
			t.Errorf("%s of %s: %q, want %q", tt.key, fmt.Sprint(pageNames[tt.page]), got, tt.want)
		}
	}
}
