package config

import (
	"encoding/hex"
	"regexp"
	"strings"
)

func statuses() kind {
	return scalar{`status codes and ranges such as "200-399" or "200,204,301-308"`, func(v any) (any, error) {
		s, ok := v.(string)
		if !ok {
			return nil, errWrong
		}
		set, err := ParseStatuses(s)
		if err != nil {
			return nil, also("%w", err)
		}
		return set, nil
	}}
}

// pattern takes a regular expression in the syntax of package regexp; "" is
// none.
func pattern() kind {
	return scalar{"a regular expression", func(v any) (any, error) {
		s, ok := v.(string)
		if !ok {
			return nil, errWrong
		}
		if _, err := regexp.Compile(s); err != nil {
			return nil, also("%s", strings.TrimPrefix(err.Error(), "error parsing regexp: "))
		}
		return s, nil
	}}
}

// hexadecimal takes bytes, two digits each, with spaces where one likes, and
// gives them without; "" is none.
func hexadecimal() kind {
	return scalar{`bytes in hexadecimal such as "0d0a" or "0d 0a"`, func(v any) (any, error) {
		s, ok := v.(string)
		if !ok {
			return nil, errWrong
		}
		s = strings.ToLower(strings.ReplaceAll(s, " ", ""))
		if _, err := hex.DecodeString(s); err != nil {
			return nil, errWrong
		}
		return s, nil
	}}
}

// method takes a token of RFC 9110, 5.6.2, in capitals, as all methods are.
func method() kind {
	return scalar{`an HTTP method such as "GET" or "HEAD"`, func(v any) (any, error) {
		s, ok := v.(string)
		if !ok || s == "" || s == "CONNECT" || strings.Trim(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZ-_") != "" {
			return nil, errWrong
		}
		return s, nil
	}}
}

// visible takes what a line of a protocol can carry between two spaces, and
// begins as it must.
func visible(wants, begin string, optional bool) kind {
	return scalar{wants, func(v any) (any, error) {
		s, ok := v.(string)
		switch {
		case !ok:
			return nil, errWrong
		case s == "" && optional:
			return s, nil
		case !strings.HasPrefix(s, begin) || s == "" || strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r >= 0x7f }):
			return nil, errWrong
		}
		return s, nil
	}}
}

// filePath takes a path that does not depend on where the process was started;
// "" is none.
func filePath() kind {
	return scalar{"the absolute path of a file", func(v any) (any, error) {
		s, ok := v.(string)
		if !ok || s != "" && (!strings.HasPrefix(s, "/") || strings.Contains(s, "\x00")) {
			return nil, errWrong
		}
		return s, nil
	}}
}
