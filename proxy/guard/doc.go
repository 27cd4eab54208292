// Package guard decides whether a client may come in: address lists, rates and
// counts by source, and who waits for a backend. It is pure: it knows no
// descriptor and no clock.
package guard
