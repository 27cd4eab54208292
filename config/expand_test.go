package config

import (
	"strings"
	"testing"
)

func TestExpand(t *testing.T) {
	tests := []struct{ in, want, wrong string }{
		{"plain", "plain", ""},
		{"$5 and $NAME", "$5 and $NAME", ""},
		{"${SLUICE_TEST_PORT}", "9001", ""},
		{"a${SLUICE_TEST_PORT}b${SLUICE_TEST_PORT}c", "a9001b9001c", ""},
		{"${SLUICE_TEST_EMPTY}", "", ""},
		{"${SLUICE_TEST_EMPTY:-x}", "x", ""},
		{"${SLUICE_TEST_UNSET:-x:-y}", "x:-y", ""},
		{"${SLUICE_TEST_UNSET:-}", "", ""},
		{"${SLUICE_TEST_PORT:-x}", "9001", ""},
		{"$${SLUICE_TEST_PORT}", "${SLUICE_TEST_PORT}", ""},
		{"$$${x", "$${x", ""},
		{"${SLUICE_TEST_DOLLAR}", "${SLUICE_TEST_PORT}", ""},
		{"${SLUICE_TEST_UNSET}", "", "no SLUICE_TEST_UNSET"},
		{"${", "", `without its "}"`},
		{"${}", "", `expected "${NAME}"`},
		{"${A B}", "", `expected "${NAME}"`},
		{"${NAME-x}", "", `expected "${NAME}"`},
	}
	for _, tt := range tests {
		got, wrong := expand(tt.in, testEnv)
		if got != tt.want || (wrong == "") != (tt.wrong == "") || !strings.Contains(wrong, tt.wrong) {
			t.Errorf("%q: got %q, %q, want %q, %q", tt.in, got, wrong, tt.want, tt.wrong)
		}
	}
}
