package proxy

// Cause is why a connection ended. Each has a word for people and for metrics
// and the two letters HAProxy users know (its manual, "Session state at
// disconnection"): the first says who or what ended it, the second when.
type Cause uint8

// The causes.
const (
	Completed            Cause = iota // both sides finished and every byte was delivered
	ClientAborted                     // the client reset before a backend was connected
	ClientReset                       // the client reset while bytes could flow
	BackendReset                      // the backend reset while bytes could flow
	ConnectFailed                     // every backend that could be tried refused
	ConnectTimedOut                   // the last backend tried did not answer in time
	InspectTimedOut                   // what the listener asks for, a PROXY header or a ClientHello, did not come within inspect_timeout
	ProxyHeaderMissing                // the listener demands a PROXY header, and none came, or its sender is not believed
	ProxyHeaderMalformed              // a PROXY header that cannot be understood
	NoRoute                           // no route fits, and the listener has no pool of its own
	NoBackend                         // no backend was up
	BackendsFull                      // every backend, or the pool, was at its max_connections
	QueueFull                         // and so many waited already as may
	QueueTimedOut                     // it waited for a backend for queue_timeout
	QueueLeft                         // the client ended while it waited for a backend
	IdleTimedOut                      // no byte either way for idle_timeout
	ClientSilent                      // the backend had finished, the client said nothing for half_close_timeout
	BackendSilent                     // the client had finished, the backend said nothing for half_close_timeout
	LifetimeOver                      // it had lasted for max_lifetime
	NoDescriptor                      // no descriptor or no memory for the backend's socket
	ShutDown                          // reset at the end of shutdown_grace
	Killed                            // reset on an operator's order
	BackendDown                       // reset since its backend went down and on_down says so
	BackendRemoved                    // reset since its backend was removed and on_removed says so
	Denied                            // the listener's address lists say no
	RateLimited                       // the listener's connection_rate is used up
	SourceRateLimited                 // its source's connection_rate_per_source is
	SourceFull                        // its source has max_connections_per_source
	Internal                          // a system call failed in a way that should not happen
	causes
)

var causeWords = [causes]struct{ word, code string }{
	Completed:            {"completed", "--"},
	ClientAborted:        {"client_aborted", "CC"},
	ClientReset:          {"client_reset", "CD"},
	BackendReset:         {"backend_reset", "SD"},
	ConnectFailed:        {"connect_failed", "SC"},
	ConnectTimedOut:      {"connect_timeout", "sC"},
	InspectTimedOut:      {"inspect_timeout", "cR"},
	ProxyHeaderMissing:   {"proxy_header_missing", "PR"},
	ProxyHeaderMalformed: {"proxy_header_malformed", "PR"},
	NoRoute:              {"no_route", "PR"},
	NoBackend:            {"no_backend", "SC"},
	BackendsFull:         {"backends_full", "PC"},
	QueueFull:            {"queue_full", "PQ"},
	QueueTimedOut:        {"queue_timeout", "sQ"},
	QueueLeft:            {"queue_left", "CQ"},
	IdleTimedOut:         {"idle_timeout", "cD"},
	ClientSilent:         {"client_silent", "cD"},
	BackendSilent:        {"backend_silent", "sD"},
	LifetimeOver:         {"max_lifetime", "KD"},
	NoDescriptor:         {"no_descriptor", "RC"},
	ShutDown:             {"shutdown", "KD"},
	Killed:               {"killed", "KD"},
	BackendDown:          {"backend_down", "DD"},
	BackendRemoved:       {"backend_removed", "KD"},
	Denied:               {"denied", "PR"},
	RateLimited:          {"rate_limited", "PR"},
	SourceRateLimited:    {"source_rate_limited", "PR"},
	SourceFull:           {"source_full", "PR"},
	Internal:             {"internal_error", "ID"},
}

// String is the cause as a word.
func (c Cause) String() string { return causeWords[c].word }

// Code is the cause in HAProxy's two letters.
func (c Cause) Code() string { return causeWords[c].code }

// Clean reports whether nothing went wrong.
func (c Cause) Clean() bool { return c == Completed }

// ParseCause is the cause of a word.
func ParseCause(word string) (Cause, bool) {
	for c := range causes {
		if c.String() == word {
			return c, true
		}
	}
	return 0, false
}
