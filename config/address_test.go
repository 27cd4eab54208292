package config

import (
	"net/netip"
	"strings"
	"testing"

	"sluice/internal/sys"
)

func tcp(s string) Address { return Address{TCP: netip.MustParseAddrPort(s)} }

func TestParseBind(t *testing.T) {
	tests := []struct {
		in   string
		want Address
		err  string // a part of it; "": none
	}{
		{":8080", tcp("[::]:8080"), ""},
		{":0", tcp("[::]:0"), ""},
		{"0.0.0.0:8080", tcp("0.0.0.0:8080"), ""},
		{"[::]:8080", tcp("[::]:8080"), ""},
		{"[::1]:8080", tcp("[::1]:8080"), ""},
		{"[fe80::1%lo]:80", tcp("[fe80::1%lo]:80"), ""},
		{"[::ffff:127.0.0.1]:80", tcp("127.0.0.1:80"), ""},
		{"localhost:8080", tcp("127.0.0.1:8080"), ""},
		{"unix:/run/web.sock", Address{Unix: "/run/web.sock"}, ""},
		{"unix:/run/../run//web.sock", Address{Unix: "/run/web.sock"}, ""},
		{"", Address{}, "no port"},
		{":", Address{}, `port "" is not`},
		{":65536", Address{}, "0 to 65535"},
		{":-1", Address{}, "0 to 65535"},
		{":+1", Address{}, "0 to 65535"},
		{"8080", Address{}, `did you mean ":8080"`},
		{"127.0.0.1", Address{}, `expected "127.0.0.1:PORT"`},
		{"[::1]", Address{}, `expected "[::1]:PORT"`},
		{"::1", Address{}, "brackets"},
		{"::", Address{}, "brackets"},
		{"::1:80", Address{}, `did you mean "[::1]:80"`},
		{"fe80:0:0:0:0:0:0:1:80", Address{}, `did you mean "[fe80::1]:80"`},
		{"[127.0.0.1]:80", Address{}, "brackets are for IPv6"},
		{"[zz::]:80", Address{}, "not an IP address"},
		{"example.com:80", Address{}, `discovery type "dns"`},
		{"1.2.3:80", Address{}, "not an IP address"},
		{"unix:/run/", Address{}, "not a folder"},
		{"unix:", Address{}, "absolute"},
		{"unix:@web", Address{}, "absolute"},
		{"unix:/a\x00b", Address{}, "control"},
		{"fd:web", Address{}, "for the bind of a listener"},
		{"[ff02::1]:80", Address{}, "multicast"},
		{"[fe80::1%2]:80", tcp("[fe80::1%2]:80"), ""},
		{"[fe80::1%a-name-of-15.ab]:80", tcp("[fe80::1%a-name-of-15.ab]:80"), ""},
		{"[fe80::1]:80", Address{}, "such as fe80::1%eth0"},
		{"[::1%lo]:80", Address{}, "only a link-local address"},
		{"[fe80::1%a-name-of-16.abc]:80", Address{}, "not the name of an interface"},
		{"[fe80::1%a/b]:80", Address{}, "not the name of an interface"},
		{"169.254.0.1:80", tcp("169.254.0.1:80"), ""},
		{"255.255.255.255:80", tcp("255.255.255.255:80"), ""},
	}
	for _, tt := range tests {
		t.Run(tt.in, func(t *testing.T) {
			got, err := ParseBind(tt.in)
			if tt.err == "" && err != nil || tt.err != "" && (err == nil || !strings.Contains(err.Error(), tt.err)) {
				t.Fatalf("got error %v, want %q", err, tt.err)
			}
			if got != tt.want {
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}
}

func TestParseAddressIsOneBackend(t *testing.T) {
	for in, want := range map[string]string{
		"127.0.0.1:9001": "", "localhost:9001": "", "unix:/run/app.sock": "", "[::1]:9001": "",
		"[fe80::1%eth0]:9001": "", "1.0.0.0:80": "", "255.255.255.254:80": "", "240.0.0.1:80": "",
		":9001":                       "did you mean",
		"255.255.255.255:80":          "broadcast",
		"[::ffff:255.255.255.255]:80": "broadcast",
		"0.1.2.3:80":                  "nobody",
		"0.255.255.255:80":            "nobody",
		"127.0.0.1:0":                 "1 to 65535",
		"0.0.0.0:80":                  "every address",
		"[::]:80":                     "every address",
		"fd:web":                      "not a number",
		"db.internal:80":              "discovery",
	} {
		_, err := ParseAddress(in)
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%q: got error %v, want %q", in, err, want)
		}
	}
}

func TestLongestPathIsTheKernels(t *testing.T) {
	if longestPath != sys.MaxUnixPath {
		t.Errorf("got %d, want %d", longestPath, sys.MaxUnixPath)
	}
}

// FuzzAddress: what is taken is one whole address, and its String is taken as
// the same.
func FuzzAddress(f *testing.F) {
	for _, s := range []string{":8080", "[fe80::1%lo]:1", "localhost:1", "unix:/a/b", "unix:/.", "unix:/a/..", "fd:x", "::1:80", "[::ffff:1.2.3.4]:5", "[]:1", "]:[", "a:b:c"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		for _, parse := range []func(string) (Address, error){ParseBind, parseListenerBind, ParseAddress} {
			a, err := parse(s)
			if err != nil {
				if a != (Address{}) {
					t.Fatalf("%q: got %v beside an error, want nothing", s, a)
				}
				continue
			}
			set := 0
			for _, one := range []bool{a.TCP.IsValid(), a.Unix != "", a.Socket != ""} {
				if one {
					set++
				}
			}
			if set != 1 || a.FD != 0 {
				t.Fatalf("%q: got %+v, want exactly one of the three", s, a)
			}
			if again, err := parse(a.String()); err != nil || again != a {
				t.Fatalf("%q: got %v, %v from %q, want %v", s, again, err, a, a)
			}
		}
	})
}
