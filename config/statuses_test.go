package config

import "testing"

func TestStatuses(t *testing.T) {
	for _, tt := range []struct {
		text, want string
		in, out    []int
	}{
		{"200-399", "200-399", []int{200, 301, 399}, []int{199, 400, 0}},
		{"200", "200", []int{200}, []int{199, 201}},
		{"200-299, 404,500-501", "200-299,404,500-501", []int{204, 404, 501}, []int{300, 403, 502}},
		{"", "", nil, nil},
		{"2xx", "", nil, nil},
		{"399-200", "", nil, nil},
		{"99", "", nil, nil},
		{"600", "", nil, nil},
		{"200,", "", nil, nil},
		{"200-", "", nil, nil},
	} {
		s, err := ParseStatuses(tt.text)
		if (err == nil) != (tt.want != "") || s.String() != tt.want {
			t.Errorf("%q: got %v, %v, want %q", tt.text, s, err, tt.want)
		}
		for _, code := range tt.in {
			if !s.Has(code) {
				t.Errorf("%q: has no %d", tt.text, code)
			}
		}
		for _, code := range tt.out {
			if s.Has(code) {
				t.Errorf("%q: has %d", tt.text, code)
			}
		}
	}
}
