package integration

import (
	"bufio"
	"encoding/json"
	"io"
	"strings"
	"sync"
	"time"
)

// Line is a line of sluice's log.
type Line struct {
	Level, Msg, Part string

	// Of "started" and "reloaded": where each listener accepts.
	Listeners map[string]string

	// Of "started" and "took over: WHY".
	WorkerPID   int `json:"worker_pid"`
	Handover    int
	Kind        string
	Connections int
	PauseMS     float64 `json:"pause_ms"`

	// Of "connection".
	Listener, Client, Pool, Backend string
	BytesUp                         int64    `json:"bytes_up"`
	BytesDown                       int64    `json:"bytes_down"`
	ConnectMS                       *float64 `json:"connect_ms"`
	FirstByteMS                     *float64 `json:"first_byte_ms"`
	TotalMS                         *float64 `json:"total_ms"`
	Retries                         int
	Cause, Code, Error              string

	// Of "stopped".
	Reset, Accepted int64
	RecordsDropped  int64 `json:"records_dropped"`

	Raw string    `json:"-"`
	At  time.Time `json:"-"` // it was read
}

// Journal is everything a process has written so far, as it comes.
type Journal struct {
	mu    sync.Mutex
	lines []Line
	ended bool
	fresh chan struct{} // closed and replaced when there is more
}

func newJournal() *Journal { return &Journal{fresh: make(chan struct{})} }

// follow reads r to its end.
func (j *Journal) follow(r io.Reader) {
	s := bufio.NewScanner(r)
	s.Buffer(nil, 1<<20)
	for s.Scan() {
		var l Line
		if json.Unmarshal(s.Bytes(), &l) != nil {
			l = Line{}
		}
		l.Raw, l.At = s.Text(), time.Now()
		j.add(func() { j.lines = append(j.lines, l) })
	}
	j.add(func() { j.ended = true })
}

func (j *Journal) add(change func()) {
	j.mu.Lock()
	defer j.mu.Unlock()
	change()
	close(j.fresh)
	j.fresh = make(chan struct{})
}

// Len is how many lines there are.
func (j *Journal) Len() int {
	j.mu.Lock()
	defer j.mu.Unlock()
	return len(j.lines)
}

// All are the lines that match.
func (j *Journal) All(match func(Line) bool) []Line {
	j.mu.Lock()
	defer j.mu.Unlock()
	var found []Line
	for _, l := range j.lines {
		if match(l) {
			found = append(found, l)
		}
	}
	return found
}

// Await waits for a line that matches, from line number from on. It gives up
// after patience, or when the process has closed its log.
func (j *Journal) Await(from int, patience time.Duration, match func(Line) bool) (Line, bool) {
	late := time.After(patience)
	for {
		j.mu.Lock()
		for ; from < len(j.lines); from++ {
			if match(j.lines[from]) {
				defer j.mu.Unlock()
				return j.lines[from], true
			}
		}
		fresh, ended := j.fresh, j.ended
		j.mu.Unlock()
		if ended {
			return Line{}, false
		}
		select {
		case <-fresh:
		case <-late:
			return Line{}, false
		}
	}
}

// Tail is the last n lines as they were written.
func (j *Journal) Tail(n int) string {
	j.mu.Lock()
	defer j.mu.Unlock()
	var b strings.Builder
	for _, l := range j.lines[max(0, len(j.lines)-n):] {
		b.WriteString("\t" + l.Raw + "\n")
	}
	return b.String()
}

// Says matches lines with this message.
func Says(msg string) func(Line) bool { return func(l Line) bool { return l.Msg == msg } }

// Connections match the access records.
var Connections = Says("connection")
