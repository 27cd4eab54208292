package proxy

// Cause is why a connection ended. Each has a word for people and for metrics
// and the two letters HAProxy users know (its manual, "Session state at
// disconnection"): the first says who or what ended it, the second when.
type Cause uint8

// The causes.
const (
	Completed       Cause = iota // both sides finished and every byte was delivered
	ClientAborted                // the client reset before a backend was connected
	ClientReset                  // the client reset while bytes could flow
	BackendReset                 // the backend reset while bytes could flow
	ConnectFailed                // every backend that could be tried refused
	ConnectTimedOut              // the last backend tried did not answer in time
	NoBackend                    // no backend was up
	BackendsFull                 // every backend was at its max_connections
	IdleTimedOut                 // no byte either way for idle_timeout
	ClientSilent                 // the backend had finished, the client said nothing for half_close_timeout
	BackendSilent                // the client had finished, the backend said nothing for half_close_timeout
	NoDescriptor                 // no descriptor or no memory for the backend's socket
	ShutDown                     // reset at the end of shutdown_grace
	Internal                     // a system call failed in a way that should not happen
	causes
)

var causeWords = [causes]struct{ word, code string }{
	Completed:       {"completed", "--"},
	ClientAborted:   {"client_aborted", "CC"},
	ClientReset:     {"client_reset", "CD"},
	BackendReset:    {"backend_reset", "SD"},
	ConnectFailed:   {"connect_failed", "SC"},
	ConnectTimedOut: {"connect_timeout", "sC"},
	NoBackend:       {"no_backend", "SC"},
	BackendsFull:    {"backends_full", "PC"},
	IdleTimedOut:    {"idle_timeout", "cD"},
	ClientSilent:    {"client_silent", "cD"},
	BackendSilent:   {"backend_silent", "sD"},
	NoDescriptor:    {"no_descriptor", "RC"},
	ShutDown:        {"shutdown", "KD"},
	Internal:        {"internal_error", "ID"},
}

// String is the cause as a word.
func (c Cause) String() string { return causeWords[c].word }

// Code is the cause in HAProxy's two letters.
func (c Cause) Code() string { return causeWords[c].code }

// Clean reports whether nothing went wrong.
func (c Cause) Clean() bool { return c == Completed }
