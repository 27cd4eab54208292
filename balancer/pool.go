package balancer

// Verdict says what became of a Pick.
type Verdict uint8

// What a Pick can come to.
const (
	Picked   Verdict = iota
	NoneUp           // no backend is eligible
	AllFull          // every eligible backend is at its max_connections
	AllTried         // every eligible backend was tried, or is full
)

// Pool is a policy over tiers of backends.
type Pool struct{}

// NewPool compiles a pool.
func NewPool(policy string, tiers ...[]Backend) (*Pool, error) { return &Pool{}, nil }

// Pick chooses a backend.
func (p *Pool) Pick(r *Request) (ref int, v Verdict) { return -1, NoneUp }
