package balancer

import (
	"fmt"
	"strings"
)

// policies are all there are. A policy is a file of its own, a line here and a
// line in the conformance test.
var policies = []struct {
	name  string
	build func(roster) (Picker, error) // the roster has at least one backend
}{
	{"round_robin", newRoundRobin},
	{"least_connections", newLeastConnections},
	{"random_two", newRandomTwo},
	{"least_latency", newLeastLatency},
	{"source_hash", newSourceHash},
	{"maglev", newMaglev},
	{"first", newFirst},
}

// Policies are the names that NewPool knows.
func Policies() []string {
	names := make([]string, len(policies))
	for i, p := range policies {
		names[i] = p.name
	}
	return names
}

func known(policy string) bool {
	for _, p := range policies {
		if p.name == policy {
			return true
		}
	}
	return false
}

// newPicker is a policy at work over at least one backend.
func newPicker(policy string, s roster) (Picker, error) {
	for _, p := range policies {
		if p.name == policy {
			return p.build(s)
		}
	}
	return nil, unknownPolicy(policy)
}

func unknownPolicy(policy string) error {
	return fmt.Errorf("policy %q: not known, want one of %s", policy, strings.Join(Policies(), ", "))
}
