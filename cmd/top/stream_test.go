package top

import (
	"context"
	"errors"
	"io"
	"testing"
	"testing/synctest"
	"time"

	"sluice/admin"
)

// mute is a balancer that accepts and does not answer: its process hangs.
type mute struct{ fake }

func (*mute) Events(ctx context.Context) (io.ReadCloser, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}

func TestAProcessThatHangsIsNotWaitedForForEver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		began := time.Now()
		err := Print(ctx, &mute{}, io.Discard, 1, func(string) {})
		if got := time.Since(began); got != silentFor || err == nil || err.Error() != "nothing came for 10s" {
			t.Errorf("%v after %v, want %v", err, got, silentFor)
		}
	})
}

// An upgrade is waited for, a process that is gone for good is not.
func TestAProcessThatIsGoneIsWaitedFor(t *testing.T) {
	for _, tt := range []struct {
		name     string
		back     time.Duration // when it answers again; 0: never
		printed  int
		err      string
		at, most time.Duration
	}{
		{"it comes back late", lostFor - time.Second, 2, "", lostFor - time.Second, lostFor},
		{"it does not come back", 0, 1, "no sluice answers", lostFor, lostFor + again},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				began, streams := time.Now(), 0
				from := &fake{open: func() (io.ReadCloser, error) {
					if streams == 0 || tt.back > 0 && time.Since(began) >= tt.back {
						streams++
						return streamOf(sample()), nil
					}
					return nil, errors.New("no sluice answers")
				}}
				out := &lineCount{}
				err := Print(t.Context(), from, out, 2, func(string) {})
				if (err == nil) != (tt.err == "") || err != nil && err.Error() != tt.err || out.lines != tt.printed {
					t.Errorf("%d documents, %v, want %d, %q", out.lines, err, tt.printed, tt.err)
				}
				if took := time.Since(began); took < tt.at || took > tt.most {
					t.Errorf("it took %v, want %v to %v", took, tt.at, tt.most)
				}
			})
		})
	}
}

// lineCount counts documents: each is one write.
type lineCount struct{ lines int }

func (c *lineCount) Write(p []byte) (int, error) { c.lines++; return len(p), nil }

func TestNoRateOverAnAnswerThatDidNotCome(t *testing.T) {
	l := &loop{from: &fake{}, ctx: t.Context(), posts: make(chan func(), 1)}
	l.page = connections
	l.seen(admin.Connections{Connections: []admin.Connection{{ID: "0-1-1", BytesUp: 100}}}, time.Now().Add(-time.Minute))
	l.look()
	(<-l.posts)() // that it is refused
	l.seen(admin.Connections{Connections: []admin.Connection{{ID: "0-1-1", BytesUp: 100_000_000}}}, time.Now())
	if got := l.conns[0].cells; got[len(got)-1] != "" {
		t.Errorf("moves %s, want that nothing is known", got[len(got)-1])
	}
}
