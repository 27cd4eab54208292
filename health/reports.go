package health

import "sync"

// report is what the data plane has said of one backend since it was last
// asked.
type report struct {
	anew   bool   // a count of 1: the connect before was good
	inARow uint32 // the highest count since
	err    error  // of the last connect
}

// reports gathers what the data plane says. Its senders never wait for its
// reader, and a storm takes no more room than one report a backend.
type reports struct {
	mu    sync.Mutex
	of    map[key]report
	ready chan struct{} // holds one token while there are reports
}

func newReports() reports {
	return reports{of: map[key]report{}, ready: make(chan struct{}, 1)}
}

func (r *reports) add(k key, inARow uint32, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	was := r.of[k]
	if inARow == 1 {
		was = report{anew: true}
	}
	r.of[k] = report{was.anew, max(was.inARow, inARow), err}
	select {
	case r.ready <- struct{}{}:
	default:
	}
}

// take hands over what there is.
func (r *reports) take() map[key]report {
	r.mu.Lock()
	defer r.mu.Unlock()
	of := r.of
	r.of = map[key]report{}
	return of
}
