package admin

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strings"
)

// refusal is an answer that says no: what is wrong, and what to do instead.
type refusal struct {
	status  int
	what    string
	instead string
}

func (r *refusal) Error() string { return r.what + "; " + r.instead }

// Refused is the body of every answer that says no.
type Refused struct {
	Error   string   `json:"error"`
	Instead string   `json:"instead,omitempty"`
	Faults  []string `json:"faults,omitempty"` // of a configuration, one for each
}

// refuse answers with an error. One that is no refusal is a fault of ours.
func refuse(w http.ResponseWriter, err error) {
	r := &refusal{http.StatusInternalServerError, err.Error(), ""}
	var f *faulty
	if errors.As(err, &f) {
		answer(w, f.status, Refused{f.what, f.instead, f.faults})
		return
	}
	errors.As(err, &r)
	answer(w, r.status, Refused{Error: r.what, Instead: r.instead})
}

// faulty is a refusal for many reasons at once.
type faulty struct {
	refusal
	faults []string
}

func answer(w http.ResponseWriter, status int, body any) {
	text, err := json.MarshalIndent(body, "", "  ")
	if err != nil {
		status, text = http.StatusInternalServerError, []byte(`{"error": "the answer cannot be written as JSON"}`)
	}
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	_, _ = w.Write(append(text, '\n'))
}

// mostBody is how long a request's body may be, in bytes.
const mostBody = 1 << 16

// take reads the body of a request, which may be empty. Unknown keys are
// errors, so that a slip does not pass for a change.
func take(q *http.Request, into any) error {
	text, err := io.ReadAll(http.MaxBytesReader(nil, q.Body, mostBody))
	if err != nil {
		return &refusal{http.StatusRequestEntityTooLarge, fmt.Sprintf("the body is longer than %d bytes", mostBody), "send what /v1/openapi.json describes"}
	}
	if len(text) == 0 {
		return nil
	}
	if kind, _, _ := mime.ParseMediaType(q.Header.Get("Content-Type")); kind != "application/json" {
		return &refusal{http.StatusUnsupportedMediaType, "the body is not called JSON", "send it with Content-Type: application/json"}
	}
	d := json.NewDecoder(strings.NewReader(string(text)))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		return &refusal{http.StatusBadRequest, "the body cannot be understood: " + strings.TrimPrefix(err.Error(), "json: "), "send what /v1/openapi.json describes"}
	}
	return nil
}
