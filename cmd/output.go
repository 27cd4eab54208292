package cmd

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"syscall"

	"sluice/config"
)

// outputFlags never wait: without O_NONBLOCK the open of a pipe lasts until
// somebody reads it.
const outputFlags = os.O_APPEND | os.O_WRONLY | syscall.O_NONBLOCK

// openOutput opens what log.output names. made says that the file was not there
// before.
func openOutput(output, format string, stdout, stderr io.Writer) (out io.WriteCloser, made bool, err error) {
	if s := socketOf(output, format); s != nil {
		if err := s.open(); err != nil {
			return nil, false, fmt.Errorf("log.output: %s: %w", output, err)
		}
		return s, false, nil
	}
	switch output {
	case "stderr", "":
		return keepOpen{stderr}, false, nil
	case "stdout":
		return keepOpen{stdout}, false, nil
	}
	f, err := os.OpenFile(output, outputFlags, 0)
	if errors.Is(err, fs.ErrNotExist) {
		f, err = os.OpenFile(output, outputFlags|os.O_CREATE|os.O_EXCL, 0o640)
		made = err == nil
	}
	if errors.Is(err, fs.ErrExist) { // a link to nowhere, or someone was faster
		f, err = os.OpenFile(output, outputFlags|os.O_CREATE, 0o640)
	}
	switch {
	case err == nil:
		return f, made, nil
	case errors.Is(err, syscall.ENXIO) && isPipe(output):
		return nil, false, fmt.Errorf("log.output: %s: nobody reads this pipe", output)
	}
	return nil, false, fmt.Errorf("log.output: %w", err)
}

func isPipe(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode()&fs.ModeNamedPipe != 0
}

// checkOutput says what is wrong with log.output as far as its path tells.
// Whether it may be written is not asked: who checks a configuration need not
// be who runs it.
func checkOutput(path, output string) error {
	if output == "stderr" || output == "stdout" || socketOf(output, "") != nil {
		return nil
	}
	fault := func(what string) error {
		return config.Faults{{File: path, Key: "log.output", Message: "found " + strconv.Quote(output) + ", " + what}}
	}
	info, err := os.Stat(output)
	if errors.Is(err, fs.ErrNotExist) {
		if _, err = os.Stat(filepath.Dir(output)); errors.Is(err, fs.ErrNotExist) {
			return fault("expected a file in a folder that is there")
		}
		return nil
	}
	switch self, _ := os.Stat(path); {
	case errors.Is(err, syscall.ENOTDIR):
		return fault("expected a file in a folder, not in a file")
	case err != nil:
		return nil // opening it will say
	case info.IsDir():
		return fault("a folder, expected a file")
	case os.SameFile(info, self):
		return fault("the configuration itself, expected another file")
	}
	return nil
}

// keepOpen is an output that is not ours to close.
type keepOpen struct{ io.Writer }

func (keepOpen) Close() error { return nil }
