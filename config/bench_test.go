package config

import (
	"fmt"
	"strings"
	"testing"
)

// A file of pools of ten backends, each with a listener.
func BenchmarkParse(b *testing.B) {
	for _, n := range []int{1, 100, 1000} {
		b.Run(fmt.Sprintf("backends_%d", 10*n), func(b *testing.B) {
			text := poolsOfTen(n)
			b.SetBytes(int64(len(text)))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := Parse("bench.toml", text, testEnv); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func poolsOfTen(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "[listeners.l%d]\nbind = \"127.0.0.1:%d\"\npool = \"p%d\"\n[pools.p%d]\nbackends = [\n", i, 10000+i, i, i)
		for k := range 10 {
			fmt.Fprintf(&b, "  { address = \"10.%d.%d.%d:80\", weight = %d },\n", i/250, i%250, k+1, k+1)
		}
		b.WriteString("]\n")
	}
	return b.String()
}
