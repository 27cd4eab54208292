package cmd

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"
)

// The exit codes.
const (
	exitOK    = 0
	exitError = 1 // the configuration or the work is at fault
	exitUsage = 2 // the command line is at fault
	exitAlone = 3 // no running process answers
)

// Main runs the program with the arguments and streams of the process and
// returns its exit code.
func Main() int { return execute(os.Args[1:], os.Stdout, os.Stderr) }

func execute(args []string, stdout, stderr io.Writer) int {
	root := newRoot(stdout, stderr)
	root.SetArgs(args)
	err := root.Execute()
	if err == nil {
		return exitOK
	}
	var e *exited
	if errors.As(err, &e) { // it has said why itself
		return e.code
	}
	var f *failure
	if errors.As(err, &f) {
		fmt.Fprint(stderr, f.text())
		var u *unanswered
		if errors.As(err, &u) {
			return exitAlone
		}
		return exitError
	}
	fmt.Fprintf(stderr, "sluice: %v\nsluice: \"sluice help\" shows what can be said\n", err)
	return exitUsage
}

func newRoot(stdout, stderr io.Writer) *cobra.Command {
	root := &cobra.Command{
		Use:   "sluice",
		Short: "A TCP load balancer whose payload never enters user space",
		Long: `sluice is a TCP load balancer whose payload never enters user space:
the bytes of a connection move from socket to socket by splice(2).

Exit codes: 0 all is well, 1 the configuration or the work failed,
2 the command line was not understood, 3 no running sluice answers.`,
		Example: `  sluice demo
  sluice check /etc/sluice/sluice.toml
  sluice run --config /etc/sluice/sluice.toml`,
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	// Before the completion command, which keeps what it finds here.
	root.SetOut(stdout)
	root.SetErr(stderr)
	root.AddCommand(
		newRunCommand(),
		newCheckCommand(),
		newConfigCommand(),
		newDemoCommand(),
		newHealthcheckCommand(),
		newStatusCommand(),
		newTopCommand(),
		newReloadCommand(),
		newUpgradeCommand(),
		newProbeCommand(),
		newBackendCommand(),
		newPoolsCommand(),
		newConnsCommand(),
		newExplainCommand(),
		newLogLevelCommand(),
		newVersionCommand(),
	)
	root.InitDefaultHelpCmd()
	root.InitDefaultCompletionCmd()
	for _, c := range root.Commands() {
		switch c.Name() {
		case "help":
			c.Example = "  sluice help run"
		case "completion":
			c.Example = `  source <(sluice completion bash)
  sluice completion fish > ~/.config/fish/completions/sluice.fish`
		}
	}
	return root
}

// failure is an error of the work, not of the command line.
type failure struct{ err error }

func (f *failure) Error() string { return f.err.Error() }
func (f *failure) Unwrap() error { return f.err }

// text is what stderr shows: one line for each fault. What check finds begins
// with the file's name, as the messages of a compiler do.
func (f *failure) text() string {
	prefix := "sluice: "
	var found *faults
	if errors.As(f.err, &found) {
		prefix = ""
	}
	var text strings.Builder
	for _, line := range faultLines(f.err) {
		text.WriteString(prefix + line + "\n")
	}
	return text.String()
}

// faults is what check has found.
type faults struct{ error }

// work makes a command's errors failures.
func work(do func(c *cobra.Command, args []string) error) func(*cobra.Command, []string) error {
	return func(c *cobra.Command, args []string) error {
		if err := do(c, args); err != nil {
			return &failure{err}
		}
		return nil
	}
}
