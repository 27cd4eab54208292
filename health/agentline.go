package health

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"sluice/config"
)

// mostSaid bounds a line of an agent, in bytes.
const mostSaid = 1024

// askAgent connects to an agent and returns its first line. One that does not end is
// none: half of "weight:100" is another weight.
func askAgent(ctx context.Context, at config.Address, timeout time.Duration) (line string, err error) {
	err = talking(config.Health{}, func(t *talk) error {
		t.doing = "agent " + t.to.String()
		said, err := io.ReadAll(io.LimitReader(untilNewline{t}, mostSaid))
		switch {
		case err != nil:
			return err
		case len(said) == 0:
			return io.EOF
		case !bytes.HasSuffix(said, []byte{'\n'}) && !bytes.HasSuffix(said, []byte{'\r'}):
			return verdict(fmt.Sprintf("%s: %q is no whole line, which ends with \\n or \\r and is of at most %d bytes", t.doing, short(string(said)), mostSaid))
		}
		line = string(bytes.TrimSpace(said))
		return nil
	})(ctx, at, timeout)
	return line, err
}

// untilNewline ends with the read that has brought the end of a line; what comes
// behind that is left out.
type untilNewline struct{ io.Reader }

// Read is for io.Reader.
func (u untilNewline) Read(p []byte) (int, error) {
	n, err := u.Reader.Read(p)
	if i := bytes.IndexAny(p[:n], "\r\n"); i >= 0 {
		return i + 1, io.EOF
	}
	return n, err
}

// short is a line that fits into a reason.
func short(line string) string {
	const most = 60
	if len(line) <= most {
		return line
	}
	return strings.ToValidUTF8(line[:most], "") + "..."
}
