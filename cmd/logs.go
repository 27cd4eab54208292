package cmd

import (
	"fmt"
	"io"
	"os"
	"sync/atomic"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"sluice/config"
)

// How a time is written in a log line. A terminal is read on the day.
const (
	timeLayout     = "2006-01-02T15:04:05.000Z07:00"
	terminalLayout = "15:04:05.000"
)

// logs is the log of the process: one output, and what of it can change while
// the process runs. Loggers made from it follow every change.
type logs struct {
	stdout, stderr io.Writer

	level   zap.AtomicLevel
	encoder atomic.Pointer[zapcore.Encoder]
	access  atomic.Pointer[accessRule]
	ruled   chan struct{} // access has changed
	sink    *sink

	conf     config.Log  // what is in force; only for the goroutine that reloads
	onStderr atomic.Bool // the output is stderr

	log *zap.Logger
}

// newLogs opens the log that c describes.
func newLogs(c config.Log, stdout, stderr io.Writer) (*logs, error) {
	out, _, err := openOutput(c.Output, c.Format, stdout, stderr)
	if err != nil {
		return nil, err
	}
	l := &logs{stdout: stdout, stderr: stderr, level: zap.NewAtomicLevel(), ruled: make(chan struct{}, 1)}
	l.sink = newSink(out, l.complain, func(lines uint64) {
		l.log.Warn("log lines were lost", zap.Uint64("lines", lines))
	})
	l.log = zap.New(&core{logs: l, prompt: true}, zap.ErrorOutput(zapcore.AddSync(stderr)))
	l.apply(c)
	return l, nil
}

// complain reports a failing output where it can still be read.
func (l *logs) complain(err error) {
	if l.onStderr.Load() {
		return // there is no place left to say it
	}
	fmt.Fprintf(l.stderr, "sluice: log: %v; lines are lost until it can be written again\n", err)
}

// prepare does the part of a change to c that can fail. The change is made by
// commit and given up by drop.
func (l *logs) prepare(c config.Log) (commit, drop func(), err error) {
	socket := socketOf(c.Output, c.Format) != nil // it has the format in it
	if c.Output == l.conf.Output && !(socket && c.Format != l.conf.Format) {
		return func() { l.apply(c) }, func() {}, nil
	}
	out, made, err := openOutput(c.Output, c.Format, l.stdout, l.stderr)
	if err != nil {
		return nil, nil, err
	}
	commit = func() {
		l.sink.swap(out)
		l.apply(c)
	}
	drop = func() {
		if made {
			_ = os.Remove(c.Output)
		}
		_ = out.Close()
	}
	return commit, drop, nil
}

// apply puts everything but the output in force.
func (l *logs) apply(c config.Log) {
	level, err := zapcore.ParseLevel(c.Level)
	if err != nil {
		level = zapcore.InfoLevel
	}
	l.level.SetLevel(level)
	format := c.Format
	if socketOf(c.Output, format) != nil {
		format = "json"
	}
	enc := newEncoder(format, l.onTerminal(c.Output))
	l.encoder.Store(&enc)
	l.access.Store(&accessRule{c.Access, c.AccessSample, c.AccessStart, c.AccessEvery})
	select {
	case l.ruled <- struct{}{}:
	default:
	}
	l.onStderr.Store(c.Output == "stderr")
	l.conf = c
}

// reopen opens the output's path anew, after someone has moved the file away.
func (l *logs) reopen() error {
	out, _, err := openOutput(l.conf.Output, l.conf.Format, l.stdout, l.stderr)
	if err != nil {
		return err
	}
	l.sink.swap(out)
	return nil
}

// close writes what waits. Lines that could not be written are reported on
// stderr, unless it is stderr that does not take them.
func (l *logs) close() {
	if lost := l.sink.close(); lost > 0 && !l.onStderr.Load() {
		fmt.Fprintf(l.stderr, "sluice: log: %d lines were lost\n", lost)
	}
}

// onTerminal reports whether output is a terminal. Any character device is
// taken for one: what is written to the others nobody reads.
func (l *logs) onTerminal(output string) bool {
	w := l.stderr
	switch output {
	case "stdout":
		w = l.stdout
	case "stderr":
	default:
		return false
	}
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

func newEncoder(format string, terminal bool) zapcore.Encoder {
	c := zapcore.EncoderConfig{
		TimeKey:        "time",
		LevelKey:       "level",
		NameKey:        "part",
		MessageKey:     "msg",
		LineEnding:     "\n",
		EncodeTime:     zapcore.TimeEncoderOfLayout(timeLayout),
		EncodeLevel:    zapcore.LowercaseLevelEncoder,
		EncodeDuration: zapcore.StringDurationEncoder,
	}
	if format == "json" || format == "auto" && !terminal {
		return zapcore.NewJSONEncoder(c)
	}
	c.ConsoleSeparator = " "
	if terminal {
		c.EncodeTime = zapcore.TimeEncoderOfLayout(terminalLayout)
		c.EncodeLevel = zapcore.LowercaseColorLevelEncoder
	}
	return zapcore.NewConsoleEncoder(c)
}

// core hands entries to the sink in the format in force when they are logged.
type core struct {
	logs   *logs
	fields []zapcore.Field
	prompt bool // a line is written at once
	any    bool // the level does not matter
}

func (c *core) Enabled(l zapcore.Level) bool { return c.any || c.logs.level.Enabled(l) }

func (c *core) With(fields []zapcore.Field) zapcore.Core {
	with := *c
	with.fields = append(c.fields[:len(c.fields):len(c.fields)], fields...)
	return &with
}

func (c *core) Check(e zapcore.Entry, ce *zapcore.CheckedEntry) *zapcore.CheckedEntry {
	if c.Enabled(e.Level) {
		return ce.AddCore(e, c)
	}
	return ce
}

func (c *core) Write(e zapcore.Entry, fields []zapcore.Field) error {
	if len(c.fields) > 0 {
		fields = append(c.fields[:len(c.fields):len(c.fields)], fields...)
	}
	line, err := (*c.logs.encoder.Load()).EncodeEntry(e, fields)
	if err != nil {
		return err
	}
	c.logs.sink.put(line.Bytes(), c.prompt)
	line.Free()
	return nil
}

func (c *core) Sync() error { return c.logs.sink.flush() }
