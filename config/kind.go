package config

import (
	"errors"
	"fmt"
	"net/netip"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
)

// kind is what a key can hold. read gives the value in its Go form, puts it
// into the field if there is one, and reports what is wrong with it; what it
// returns is nil after a fault.
type kind interface {
	want() string
	read(r *reader, n *node, field reflect.Value) any
}

// scalar is a kind without parts.
type scalar struct {
	wants string
	parse func(v any) (any, error)
}

// errWrong says that a value is not what was expected, and nothing more.
var errWrong = errors.New("")

// hint says what is wrong and leaves out what was found and expected.
type hint string

func (h hint) Error() string { return string(h) }

func (s scalar) want() string { return s.wants }

func (s scalar) read(r *reader, n *node, field reflect.Value) any {
	if n.unexpanded {
		return nil
	}
	v, err := s.parse(n.value)
	var h hint
	switch {
	case errors.As(err, &h):
		n.fault(&r.faults, "%s", h)
	case err != nil:
		n.fault(&r.faults, "found %s, expected %s%s", n, s.wants, err)
	case field.IsValid():
		field.Set(reflect.ValueOf(v).Convert(field.Type()))
	}
	if err != nil {
		return nil
	}
	return v
}

func also(format string, args ...any) error { return fmt.Errorf("; "+format, args...) }

func trimFloat(f float64) string { return strconv.FormatFloat(f, 'g', -1, 64) }

// text is any string; what it means is its owner's to say.
func text(wants string) kind {
	return scalar{wants, func(v any) (any, error) {
		s, ok := v.(string)
		if !ok {
			return nil, errWrong
		}
		return s, nil
	}}
}

// isName reports whether s can name a listener, a pool or a backend.
func isName(s string) bool {
	return s != "" && len(s) <= 128 && !strings.ContainsFunc(s, func(r rune) bool {
		return r <= ' ' || r == 0x7f || r == '"' || r == '\'' || r == '`' || r > '~'
	})
}

const nameWants = "1 to 128 letters, digits and signs without spaces or quotes"

func backendName() kind {
	return scalar{"a name of " + nameWants, func(v any) (any, error) {
		s, ok := v.(string)
		if !ok || s != "" && !isName(s) {
			return nil, errWrong
		}
		return s, nil
	}}
}

func outputPath() kind {
	words := []string{"stderr", "stdout", "journald", "syslog"}
	return scalar{`stderr, stdout, journald, syslog, "syslog:IP:port", "syslog:unix:/path" or a file's path with a "/" in it`, func(v any) (any, error) {
		s, ok := v.(string)
		at, syslog := strings.CutPrefix(s, "syslog:")
		switch {
		case ok && slices.Contains(words, s):
			return s, nil
		case ok && syslog && !strings.HasPrefix(at, "unix:"):
			if a, err := netip.ParseAddrPort(at); err != nil || a.Port() == 0 {
				return nil, also(`"syslog:IP:port" is a syslog server that listens on UDP`)
			}
			return s, nil
		case ok && strings.Contains(s, "/") && !strings.HasSuffix(s, "/") && !strings.Contains(s, "\x00"):
			return s, nil
		case ok:
			return nil, errors.New(didYouMean(s, words))
		}
		return nil, errWrong
	}}
}

// socketPath takes where a unix socket can be; "" is none.
func socketPath() kind {
	return scalar{"the absolute path of a file", func(v any) (any, error) {
		s, ok := v.(string)
		switch {
		case !ok:
			return nil, errWrong
		case s == "":
			return s, nil
		}
		a, err := parsePath(strings.TrimPrefix(s, "unix:"))
		if err != nil {
			return nil, also("%w", err)
		}
		return a.Unix, nil
	}}
}

// oneOf takes the words of this version; of later ones it says that they are.
func oneOf(words []string, later ...string) kind {
	wants := words[0]
	if n := len(words); n > 1 {
		wants = strings.Join(words[:n-1], ", ") + " or " + words[n-1]
	}
	return scalar{wants, func(v any) (any, error) {
		s, ok := v.(string)
		switch {
		case !ok:
			return nil, errWrong
		case slices.Contains(words, s):
			return s, nil
		case slices.Contains(later, s):
			return nil, hint(fmt.Sprintf("%q is not in this version; expected %s", s, wants))
		}
		return nil, errors.New(didYouMean(s, words))
	}}
}

const (
	tick = time.Millisecond // the least that a timer tells apart
	year = 8760 * time.Hour
)

// duration takes least to most and, where none is not "", also "" and "0s" for
// what none says.
func duration(least, most time.Duration, none string) kind {
	wants := fmt.Sprintf("a duration from %q to %q", Duration(least).String(), Duration(most).String())
	if none != "" {
		wants += fmt.Sprintf(` or "0s" for %s`, none)
	}
	return scalar{wants, func(v any) (any, error) {
		s, ok := v.(string)
		if !ok {
			if n, ok := v.(int64); ok && n > 0 && n < 1000 {
				return nil, also("did you mean \"%ds\"?", n)
			}
			return nil, errWrong
		}
		if s == "" && none != "" {
			return time.Duration(0), nil
		}
		d, err := ParseDuration(s)
		switch {
		case err != nil:
			if n, ok := digits(s); ok && n > 0 && n < 1000 {
				return nil, also("did you mean \"%ds\"?", n)
			}
			return nil, errWrong
		case d == 0 && none != "":
			return d, nil
		case d < least || d > most:
			return nil, errWrong
		}
		return d, nil
	}}
}

// size takes 0 and from least to most.
func size(least, most Size) kind {
	return scalar{fmt.Sprintf(`"0" or a size from %q to %q`, least, most), func(v any) (any, error) {
		s, ok := v.(string)
		if !ok {
			return nil, errWrong
		}
		n, err := ParseSize(s)
		if err != nil {
			if s, ok := strings.CutSuffix(strings.ToLower(strings.ReplaceAll(s, " ", "")), "b"); ok {
				s = strings.TrimSuffix(s, "i")
				for _, u := range sizeUnits {
					if t, ok := strings.CutSuffix(s, strings.ToLower(u.name[:1])); ok && u.bytes > 1 {
						if _, ok := digits(t); ok {
							return nil, also("did you mean %q?", clip(t)+u.name)
						}
					}
				}
			}
			return nil, errWrong
		}
		if n != 0 && (n < least || n > most) {
			return nil, errWrong
		}
		return n, nil
	}}
}

func rate() kind {
	return scalar{`a rate such as "100/s" or "600/m", or "" for none`, func(v any) (any, error) {
		s, ok := v.(string)
		if !ok {
			return nil, errWrong
		}
		r, err := ParseRate(s)
		if err != nil {
			return nil, errWrong
		}
		return r, nil
	}}
}

const prefixWants = `a network such as "10.0.0.0/8" or an IP address`

func prefix() kind {
	return scalar{prefixWants, func(v any) (any, error) {
		s, ok := v.(string)
		if !ok {
			return nil, errWrong
		}
		return parsePrefix(s)
	}}
}

// parsePrefix takes a network, or an address, which is a network of one.
func parsePrefix(s string) (netip.Prefix, error) {
	if ip, err := netip.ParseAddr(s); err == nil {
		return netip.PrefixFrom(ip, ip.BitLen()), nil
	}
	p, err := netip.ParsePrefix(s)
	if err != nil {
		return netip.Prefix{}, errWrong
	}
	return p, nil
}

// address takes what parse takes; "" as well if it is optional.
func address(wants string, optional bool, parse func(string) (Address, error)) kind {
	return scalar{wants, func(v any) (any, error) {
		s, ok := v.(string)
		if n, is := v.(int64); is && n > 0 && n < 65536 {
			return nil, also("did you mean %q?", fmt.Sprintf(":%d", n))
		}
		if !ok {
			return nil, errWrong
		}
		if s == "" && optional {
			return Address{}, nil
		}
		a, err := parse(s)
		if err != nil {
			return nil, also("%w", err)
		}
		return a, nil
	}}
}
