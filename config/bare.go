package config

import (
	"fmt"
	"reflect"
	"strconv"
)

// bare is a scalar that is written without quotes. The environment gives what
// stands within quotes only.
type bare struct{ scalar }

func (b bare) read(r *reader, n *node, field reflect.Value) any {
	if n.expanded {
		n.fault(&r.faults, "found %s, expected %s; numbers, true and false cannot come from the environment", n, b.wants)
		return nil
	}
	return b.scalar.read(r, n, field)
}

var errQuoted = also("write it without quotes")

func boolean() kind {
	return bare{scalar{"true or false", func(v any) (any, error) {
		if b, ok := v.(bool); ok {
			return b, nil
		}
		if s, ok := v.(string); ok && (s == "true" || s == "false") {
			return nil, errQuoted
		}
		return nil, errWrong
	}}}
}

func integer(least, most int64) kind {
	return bare{scalar{fmt.Sprintf("a whole number from %d to %d", least, most), func(v any) (any, error) {
		n, ok := v.(int64)
		if !ok {
			if s, is := v.(string); is {
				if n, ok := digits(s); ok && n >= least && n <= most {
					return nil, errQuoted
				}
			}
			return nil, errWrong
		}
		if n < least || n > most {
			return nil, errWrong
		}
		return n, nil
	}}}
}

func number(least, most float64) kind {
	wants := fmt.Sprintf("a number from %s to %s", trimFloat(least), trimFloat(most))
	return bare{scalar{wants, func(v any) (any, error) {
		var f float64
		switch v := v.(type) {
		case float64:
			f = v
		case int64:
			f = float64(v)
		case string:
			if f, err := strconv.ParseFloat(v, 64); err == nil && f >= least && f <= most {
				return nil, errQuoted
			}
			return nil, errWrong
		default:
			return nil, errWrong
		}
		if !(f >= least && f <= most) {
			return nil, errWrong
		}
		return f, nil
	}}}
}
