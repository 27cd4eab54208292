package cmd

import (
	"fmt"

	"github.com/spf13/cobra"

	"sluice/admin"
)

// Names for a shell's completion come from the running process. When that does not
// answer within completeWithin there are none.

// asked is the answer to a GET, nil if there is none.
func asked[T any](find func() (*client, error), path string) *T {
	from, err := find()
	if err != nil {
		return nil
	}
	from.http.Timeout = completeWithin
	into := new(T)
	if _, err := from.ask("GET", path, nil, into); err != nil {
		return nil
	}
	return into
}

// completeBackend offers pools first, then the backends of one.
func completeBackend(find func() (*client, error), args []string) (names []string, _ cobra.ShellCompDirective) {
	all := asked[admin.Pools](find, "/v1/pools")
	if all == nil || len(args) > 1 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	for _, p := range all.Pools {
		if len(args) == 0 {
			names = append(names, fmt.Sprintf("%s\t%s of %d serving", p.Name, count(p.Serving, "backend"), len(p.Backends)))
			continue
		}
		for _, b := range p.Backends {
			if p.Name == args[0] || args[0] == anyPool {
				names = append(names, fmt.Sprintf("%s\t%s, %s: %s", b.Name, b.Address, b.Place, b.Why))
			}
		}
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}

// anyPool stands for all pools; it is no name of one.
const anyPool = ""

// completeListener offers the listeners.
func completeListener(find func() (*client, error)) (names []string, _ cobra.ShellCompDirective) {
	all := asked[admin.Listeners](find, "/v1/listeners")
	if all == nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	for _, l := range all.Listeners {
		to := "no pool of its own"
		if l.Pool != "" {
			to = "to pool " + l.Pool
		}
		names = append(names, l.Name+"\t"+to)
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}

// completeConnection offers the oldest connections.
func completeConnection(find func() (*client, error), args []string) (names []string, _ cobra.ShellCompDirective) {
	all := asked[admin.Connections](find, "/v1/connections")
	if all == nil || len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	for _, c := range all.Connections {
		names = append(names, fmt.Sprintf("%s\t%s to %s/%s, %s", c.ID, c.Client, c.Pool, c.Backend, c.Phase))
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}

// completeConns completes the flags of conns.
func completeConns(c *cobra.Command, find func() (*client, error)) {
	type complete = func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective)
	words := func(all ...string) complete {
		return cobra.FixedCompletions(all, cobra.ShellCompDirectiveNoFileComp)
	}
	for name, f := range map[string]complete{
		"listener": func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			return completeListener(find)
		},
		"pool": func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			return completeBackend(find, nil)
		},
		"backend": func(c *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
			return completeBackend(find, []string{c.Flag("pool").Value.String()})
		},
		"phase": words("inspecting", "connecting", "queued", "relaying", "breaking"),
		"sort":  words("age", "-age", "idle", "-idle", "bytes", "-bytes", "bytes_up", "-bytes_up", "bytes_down", "-bytes_down", "client", "-client"),
	} {
		_ = c.RegisterFlagCompletionFunc(name, f)
	}
}
