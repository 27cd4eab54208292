package integration

import (
	"testing"
)

// wantRecord waits for the access record of the only connection so far and
// compares it. proxy may be nil: a direct path has no records.
func wantRecord(t *testing.T, proxy *Process, cause string, up, down int64) {
	t.Helper()
	if proxy == nil {
		return
	}
	r := proxy.Say(patience, "the connection has ended", Connections)
	if r.Cause != cause || r.BytesUp != up || r.BytesDown != down {
		t.Errorf("got record %s, want %s with %d up and %d down", r.Raw, cause, up, down)
	}
}

// wantCause is wantRecord for who does not know how many bytes got through.
func wantCause(t *testing.T, proxy *Process, cause string) {
	t.Helper()
	if proxy == nil {
		return
	}
	if r := proxy.Say(patience, "the connection has ended", Connections); r.Cause != cause {
		t.Errorf("got record %s, want %s", r.Raw, cause)
	}
}
