package balancer

// first fills the backends in the order they were given: the first one to its
// max_connections, then the next. Weights do not count. It is for pools that
// are to use as few backends as possible.
type first struct{ roster }

func newFirst(s roster) (Picker, error) { return &first{s}, nil }

func (p *first) Pick(r *Request) int { return p.firstFree(r) }
