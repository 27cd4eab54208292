package proxy

import (
	"reflect"
	"unsafe"

	"sluice/balancer"
)

// set gives a field of plain data a value that its owner would never give it.
func set(of any, field string, v uint64) {
	f := reflect.ValueOf(of).Elem().FieldByName(field)
	reflect.NewAt(f.Type(), unsafe.Pointer(f.UnsafeAddr())).Elem().SetUint(v)
}

func flowBits(s *stream, v uint16)           { set(&s.Flow, "bits", uint64(v)) }
func triedLength(t *balancer.Tried, v uint8) { set(t, "n", uint64(v)) }
