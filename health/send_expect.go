package health

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"

	"sluice/config"
)

// newSendExpect follows a script: each step sends something, or waits until the
// answer has what it expects, or both. What has been found, and all before it,
// is gone for the next step.
func newSendExpect(h config.Health) probe {
	secure := secures(h)
	steps := make([]step, len(h.Steps))
	for i, s := range h.Steps {
		steps[i] = stepOf(s)
	}
	return talking(h, func(t *talk) error {
		if h.TLS {
			if err := secure(t); err != nil {
				return err
			}
		}
		var got []byte
		for i, s := range steps {
			t.doing = ""
			if len(steps) > 1 {
				t.doing = fmt.Sprintf("step %d: ", i+1)
			}
			var err error
			if got, err = s.take(t, got); err != nil {
				return err
			}
		}
		t.part()
		return nil
	})
}

type step struct {
	send   []byte
	sends  string                 // what, for people; "": nothing
	wants  string                 // what, for people; "": nothing
	search func(got []byte) []int // where it is, as regexp.FindIndex says it
}

func stepOf(s config.Step) step {
	made := step{send: []byte(s.Send)}
	if s.Send != "" {
		made.sends = fmt.Sprintf("sent %q, ", s.Send)
	}
	if s.SendHex != "" {
		made.send, _ = hex.DecodeString(s.SendHex) // config has decoded it before
		made.sends = "sent " + s.SendHex + ", "
	}
	text := []byte(s.Expect)
	switch {
	case s.ExpectMatch != "":
		made.wants, made.search = fmt.Sprintf("expected a match of %q", s.ExpectMatch), regexp.MustCompile(s.ExpectMatch).FindIndex
		return made
	case s.ExpectHex != "":
		text, _ = hex.DecodeString(s.ExpectHex)
		made.wants = "expected " + s.ExpectHex
	case s.Expect != "":
		made.wants = fmt.Sprintf("expected %q", s.Expect)
	}
	made.search = func(got []byte) []int {
		if i := bytes.Index(got, text); i >= 0 {
			return []int{i, i + len(text)}
		}
		return nil
	}
	return made
}

// take does a step. got is what has come and was not looked for yet; it returns
// what is left of it.
func (s *step) take(t *talk, got []byte) ([]byte, error) {
	before := t.doing
	t.doing = before + "send"
	if _, err := t.Write(s.send); err != nil {
		return nil, err
	}
	if s.wants == "" {
		return got, nil
	}
	room := make([]byte, 4096)
	for {
		if found := s.search(got); found != nil {
			return got[found[1]:], nil
		}
		if len(got) >= mostRead {
			return nil, verdict(fmt.Sprintf("%s%s%s, got %d bytes without it", before, s.sends, s.wants, len(got)))
		}
		n, err := t.Read(room)
		got = append(got, room[:n]...)
		if err == nil || n > 0 {
			continue
		}
		t.doing = before + s.sends + s.wants
		switch {
		case len(got) == 0:
		case err == io.EOF:
			return nil, verdict(fmt.Sprintf("%s, it %s and closed the connection", t.doing, quote(got)))
		case errors.Is(err, os.ErrDeadlineExceeded):
			return nil, verdict(fmt.Sprintf("%s, it %s within %v", t.doing, quote(got), t.within))
		}
		return nil, err
	}
}
