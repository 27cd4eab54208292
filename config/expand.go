package config

import (
	"fmt"
	"strings"
)

// expand puts the environment into one string: ${NAME}, ${NAME:-default} for a
// variable that is unset or empty, and $${ for a ${ that stays. It works on
// what the parser has understood, so that no variable can add a key. A value is
// not expanded again. wrong is "" or what a fault says.
func expand(s string, env func(string) (string, bool)) (out, wrong string) {
	if !strings.Contains(s, "${") {
		return s, ""
	}
	var b strings.Builder
	for {
		i := strings.Index(s, "${")
		if i < 0 {
			b.WriteString(s)
			return b.String(), ""
		}
		if i > 0 && s[i-1] == '$' {
			b.WriteString(s[:i-1])
			b.WriteString("${")
			s = s[i+2:]
			continue
		}
		b.WriteString(s[:i])
		inside, rest, closed := strings.Cut(s[i+2:], "}")
		if !closed {
			return "", `found "${" without its "}"; a "${" that means itself is written "$${"`
		}
		name, fallback, has := strings.Cut(inside, ":-")
		if !isVariable(name) {
			return "", fmt.Sprintf(`found %q, expected "${NAME}" or "${NAME:-default}"`, clip("${"+inside+"}"))
		}
		value, set := env(name)
		switch {
		case has && value == "":
			value = fallback
		case !set:
			return "", fmt.Sprintf(`the environment has no %s and "${%s}" has no default; expected it to be set or "${%s:-default}"`, name, name, name)
		}
		b.WriteString(value)
		s = rest
	}
}

func isVariable(s string) bool {
	for i, r := range s {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r == '_':
		case r >= '0' && r <= '9' && i > 0:
		default:
			return false
		}
	}
	return s != ""
}
