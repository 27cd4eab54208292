package cmd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"

	"github.com/spf13/cobra"

	"sluice/config"
)

// demoBackends is how many backends the demo starts.
const demoBackends = 3

func newDemoCommand() *cobra.Command {
	var listen string
	c := &cobra.Command{
		Use:   "demo",
		Short: "Start a balancer with three small backends to play with",
		Long: `demo starts three small HTTP backends on free ports of 127.0.0.1, writes a
configuration for them into a temporary folder and runs it, by the same code as
"sluice run". It prints what to try. Ctrl-C ends it and leaves nothing behind.`,
		Example: `  sluice demo
  sluice demo --listen 127.0.0.1:8081`,
		Args: cobra.NoArgs,
		PreRunE: func(*cobra.Command, []string) error {
			if _, err := config.ParseBind(listen); err != nil {
				return fmt.Errorf("demo: --listen %s: %w", listen, err)
			}
			return nil
		},
		RunE: work(func(c *cobra.Command, _ []string) error {
			return demo(listen, c.OutOrStdout(), c.ErrOrStderr())
		}),
	}
	c.Flags().StringVarP(&listen, "listen", "l", "127.0.0.1:8080", "where clients come in, `IP:PORT`")
	return c
}

func demo(listen string, stdout, stderr io.Writer) error {
	dir, err := os.MkdirTemp("", "sluice-demo-")
	if err != nil {
		return fmt.Errorf("demo: no folder for its configuration: %w; name one in TMPDIR, or start the container with --tmpfs /tmp", err)
	}
	defer os.RemoveAll(dir)

	say := teller(stdout)
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	defer running.Wait()
	defer cancel()
	var addresses []string
	for i := range demoBackends {
		b, err := newDemoBackend(i+1, say)
		if err != nil {
			return err
		}
		running.Go(func() { b.run(ctx) })
		addresses = append(addresses, b.address)
	}

	path := filepath.Join(dir, "sluice.toml")
	if err := os.WriteFile(path, []byte(demoConfig(listen, addresses)), 0o600); err != nil {
		return err
	}
	err = serve(serveOptions{
		path:   path,
		load:   load,
		stdout: stdout,
		stderr: stderr,
		started: func(s started) {
			say("%s", demoText(reachable(s.bound("demo")), path, os.Getpid(), addresses))
		},
		// Nobody would find the demo again whose window was closed.
		hangup: func() bool { return terminalGone(stdout) || terminalGone(stderr) },
	}, nil, newOrders(nil))
	if errors.Is(err, syscall.EADDRINUSE) {
		return fmt.Errorf("%w; another program is there, try: sluice demo --listen 127.0.0.1:8081", err)
	}
	return err
}

// teller writes whole messages, one at a time.
func teller(w io.Writer) func(string, ...any) {
	var mu sync.Mutex
	return func(format string, args ...any) {
		mu.Lock()
		defer mu.Unlock()
		fmt.Fprintf(w, format+"\n", args...)
	}
}

// demoConfig is the file that the demo runs.
func demoConfig(listen string, backends []string) string {
	var rows strings.Builder
	for i, b := range backends {
		fmt.Fprintf(&rows, "  { name = %q, address = %q },\n", demoName(i+1), b)
	}
	return fmt.Sprintf(`# Made by "sluice demo", gone when it ends.
[runtime]
shutdown_grace = "1s"

[listeners.demo]
bind = %s
pool = "demo"

[pools.demo]
policy = "round_robin"
backends = [
%s]

  [pools.demo.health]
  interval = "500ms"
  fall = 2
`, strconv.Quote(listen), rows.String())
}

// demoName is a backend's name in the configuration and in the log.
func demoName(number int) string { return fmt.Sprintf("b%d", number) }

// demoText is what the demo tells, once clients can come in at bound. As
// process 1 it is alone in a container: nothing in there can edit or kill.
func demoText(bound, config string, pid int, backends []string) string {
	var named []string
	for i, b := range backends {
		named = append(named, demoName(i+1)+" "+b)
	}
	where := "in another terminal"
	rows := [][2]string{
		{"curl " + bound, "which backend answers? ask a few times"},
		{"curl " + bound + "/quit", fmt.Sprintf("the one that answers goes away for %v: go on asking", demoAway)},
	}
	if pid == 1 {
		where = "from outside the container (docker run -p 8080:8080 ... demo --listen :8080)"
	} else {
		rows = append(rows,
			[2]string{"edit " + config, "give a backend a weight, take one out"},
			[2]string{fmt.Sprintf("kill -HUP %d", pid), "puts the edited file in force"})
	}
	width := 0
	for _, row := range rows {
		width = max(width, len(row[0]))
	}
	var try strings.Builder
	for _, row := range rows {
		fmt.Fprintf(&try, "  %-*s  %s\n", width, row[0], row[1])
	}
	return fmt.Sprintf(`
sluice balances %s over three backends: %s

Try this %s:
%s
A balancer of your own is as much TOML as this:
  [listeners.web]
  bind = ":8080"
  pool = "web"
  [pools.web]
  backends = ["127.0.0.1:9001", "127.0.0.1:9002"]

  sluice check FILE          says what is wrong with it
  sluice run --config FILE   runs it
  sluice config --defaults   shows every key

Ctrl-C ends the demo. What happens is logged from here on.
`, bound, strings.Join(named, ", "), where, try.String())
}

// terminalGone reports whether w was a terminal that has been closed: every
// write to it is refused then, even an empty one.
func terminalGone(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	_, err := f.Write(nil)
	return errors.Is(err, syscall.EIO)
}
