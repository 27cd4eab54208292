package proxy

import (
	"syscall"
	"testing"

	"sluice/internal/sys"
	"sluice/internal/testnet"
)

// TestHowMuchOfAUnixClientsHeaderIsLeft: only a socket that is not metered says that
// nothing is, and one that is metered for something else says nothing.
func TestHowMuchOfAUnixClientsHeaderIsLeft(t *testing.T) {
	const size = 100
	for name, tt := range map[string]struct {
		metered, read, left int
		ok                  bool
	}{
		"all":                {size, 0, size, true},
		"a part":             {size, 40, size - 40, true},
		"nothing, not noted": {size, size, 0, true},
		"nothing":            {-1, 0, 0, true},
		"of something else":  {size + 1, 0, size, false},
	} {
		t.Run(name, func(t *testing.T) {
			ends, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
			testnet.Must(t, "socketpair", err)
			defer syscall.Close(ends[0])
			defer syscall.Close(ends[1])
			_, err = syscall.Write(ends[1], make([]byte, 2*size))
			testnet.Must(t, "write", err)
			if e := sys.Meter(ends[0], tt.metered); e != 0 {
				t.Fatal(e)
			}
			if tt.read > 0 {
				_, err = syscall.Read(ends[0], make([]byte, tt.read))
				testnet.Must(t, "read", err)
			}
			c := conn{client: int32(ends[0]), flags: clientUnix}
			if left, ok := headerLeft(&c, &card{taken: size}); left != tt.left || ok != tt.ok {
				t.Errorf("got %d, %v; want %d, %v", left, ok, tt.left, tt.ok)
			}
		})
	}
}
