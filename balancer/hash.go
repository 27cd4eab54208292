package balancer

import (
	"encoding/binary"
	"math/bits"
	"net/netip"
)

// Every hash here gives the same number in every process, on every machine and
// in every later version: two instances with the same backends must send a
// client to the same one. None of them is a secret, so a client that can choose
// its key can choose its backend.

// golden is 2^64 divided by the golden ratio, made odd: the step of
// splitmix64 and a multiplier that spreads consecutive numbers evenly.
const golden = 0x9e3779b97f4a7c15

// The seeds keep hashes of different purpose apart.
const (
	seedKey    = 0x736c75696365206b
	seedName   = 0x736c75696365206e
	seedOffset = 0x736c75696365206f
	seedSkip   = 0x736c756963652073
)

// mix is the finalizer of splitmix64 (Steele, Lea, Flood: "Fast Splittable
// Pseudorandom Number Generators", 2014). It is a bijection, and each bit of x
// moves about half of the bits of the result.
func mix(x uint64) uint64 {
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// hash mixes s, eight bytes at a time. The length goes in first, so that the
// zeros that fill the last word are told from zeros of the string.
func hash(seed uint64, s string) uint64 {
	h := mix(seed + uint64(len(s))*golden)
	for ; len(s) >= 8; s = s[8:] {
		word := uint64(s[0]) | uint64(s[1])<<8 | uint64(s[2])<<16 | uint64(s[3])<<24 |
			uint64(s[4])<<32 | uint64(s[5])<<40 | uint64(s[6])<<48 | uint64(s[7])<<56
		h = mix(h ^ word)
	}
	var tail uint64
	for i := range len(s) {
		tail |= uint64(s[i]) << (8 * i)
	}
	return mix(h ^ tail)
}

// HashString is the Request.Key of a string.
func HashString(s string) uint64 { return hash(seedKey, s) }

// HashAddr is the Request.Key of an address. An IPv4 address and its form in
// IPv6 (::ffff:a.b.c.d) have the same key; a zone does not count.
func HashAddr(a netip.Addr) uint64 {
	b := a.As16()
	h := mix(seedKey ^ binary.BigEndian.Uint64(b[:8]))
	return mix(h ^ binary.BigEndian.Uint64(b[8:]))
}

// below scales a random number to 0..n-1 without a division. What is left of
// the number after that, part, is random too.
func below(x uint64, n int) (i int, part uint64) {
	hi, lo := bits.Mul64(x, uint64(n))
	return int(hi), lo
}
