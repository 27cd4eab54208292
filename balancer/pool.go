package balancer

import (
	"errors"
	"fmt"
)

// Verdict says what became of a Pick.
type Verdict uint8

// What a Pick can come to. The last two speak of the tiers that the request may
// use: a backup that is kept back does not count.
const (
	Picked   Verdict = iota
	NoneUp           // no backend is eligible
	AllFull          // every eligible backend is at its max_connections, and none was tried
	AllTried         // every eligible backend was tried, or is full; at least one was tried
)

// Pool is a policy over tiers of backends. The zero value has no backend.
type Pool struct {
	tiers []tier // none is empty
}

type tier struct {
	picker Picker
	seats  []seat
	refs   []int
}

// NewPool compiles a pool. The first tier holds the primaries. A later tier is
// used if those before it are empty, or for a request that has tried every
// backend before it in vain, but not because those before it are full: a backup
// is for backends that fail, not for load. The slices stay the caller's. All
// faults are reported at once.
func NewPool(policy string, tiers ...[]Backend) (*Pool, error) {
	p := &Pool{}
	if err := check(policy, tiers); err != nil {
		return nil, err
	}
	for _, backends := range tiers {
		if len(backends) == 0 {
			continue
		}
		roster := newRoster(backends)
		picker, err := newPicker(policy, roster)
		if err != nil {
			return nil, err
		}
		t := tier{picker: picker, seats: roster.seats, refs: make([]int, len(backends))}
		for i, b := range backends {
			t.refs[i] = b.Ref
		}
		p.tiers = append(p.tiers, t)
	}
	return p, nil
}

// check holds the caller to what Backend says.
func check(policy string, tiers [][]Backend) error {
	var faults []error
	if !known(policy) {
		faults = append(faults, unknownPolicy(policy))
	}
	names := make(map[string]bool)
	for _, backends := range tiers {
		for _, b := range backends {
			if b.Weight < 1 || b.Weight > maxWeight {
				faults = append(faults, fmt.Errorf("backend %s: weight %d, want 1 to %d", b.Name, b.Weight, maxWeight))
			}
			if b.Load == nil {
				faults = append(faults, fmt.Errorf("backend %s: no load", b.Name))
			}
			if names[b.Name] {
				faults = append(faults, fmt.Errorf("backend %s: name used twice", b.Name))
			}
			names[b.Name] = true
		}
	}
	return errors.Join(faults...)
}

// Pick chooses a backend, acquires its Load and returns its Ref; -1 with any
// verdict but Picked. All workers may call it at once; it takes no lock and
// allocates nothing.
func (p *Pool) Pick(r *Request) (ref int, v Verdict) {
	v = NoneUp
	for i := range p.tiers {
		t := &p.tiers[i]
		untried, tried := t.split(r)
		if tried {
			v = AllTried
		}
		if !untried {
			continue
		}
		if i := t.picker.Pick(r); i >= 0 {
			return t.refs[i], Picked
		}
		if v == NoneUp {
			v = AllFull
		}
		break
	}
	return -1, v
}

// HasRoom reports whether a request that has tried nothing would find a backend
// that is not full.
func (p *Pool) HasRoom() bool {
	if len(p.tiers) == 0 {
		return false
	}
	seats := p.tiers[0].seats
	for i := range seats {
		if e := &seats[i]; !e.full(e.load.Active()) {
			return true
		}
	}
	return false
}

// split reports whether some backend of the tier was not tried yet, and whether
// some was. It looks at all backends only if something was tried.
func (t *tier) split(r *Request) (untried, tried bool) {
	if r.Tried.Len() == 0 {
		return true, false
	}
	for i := range t.seats {
		if r.Tried.Has(t.seats[i].load.ID) {
			tried = true
		} else {
			untried = true
		}
		if untried && tried {
			break
		}
	}
	return untried, tried
}
