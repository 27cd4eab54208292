package proxy

import (
	"encoding/json"
	"fmt"
	"reflect"
	"sync"

	"sluice/proxy/relay"
)

// layout says where everything in a book is, by name. Each book carries its own, so
// that another version of the program, whose records have another form, finds
// what it knows.
type layout struct {
	Version  int                         // of what the fields mean
	Shape    shape                       //
	Chapter  int                         // bytes of a chapter
	Sections map[string]int              // name of a section: where it begins in a chapter
	Sizes    map[string]int              // name of a section: bytes of one element
	Fields   map[string]map[string]field // name of a section: path of a field: where it is
	Names    map[string][]string         // what the values, or the bits, of a field mean
	Ring     int                         // elements of the ring
}

// field is where a field is in its element, and how many bytes it has.
type field struct{ At, Size int }

// layoutVersion changes when a field stays and means something else. It is a
// variable so that a test can be a program of another version.
var layoutVersion = 1

// BookVersion is that of the book. A program of another can carry no connection.
func BookVersion() int { return layoutVersion }

var sectionTypes = []struct {
	name  string
	is    reflect.Type
	count func(shape) int
}{
	{"page", reflect.TypeFor[page](), func(shape) int { return 1 }},
	{"conn", reflect.TypeFor[conn](), func(s shape) int { return s.Conns }},
	{"card", reflect.TypeFor[card](), func(s shape) int { return s.Conns }},
	{"pipe", reflect.TypeFor[pipe](), func(s shape) int { return s.Pipes }},
	{"buffer", reflect.TypeFor[bufferMark](), func(s shape) int { return s.Buffers }},
	{"told", reflect.TypeFor[told](), func(shape) int { return ringSize }},
}

// describe is the layout of this version.
func describe(s shape) *layout {
	l := *theForm()
	l.Shape, l.Sections = s, map[string]int{}
	for _, t := range sectionTypes {
		l.Sections[t.name] = l.Chapter
		l.Chapter += aligned(t.count(s) * int(t.is.Size()))
	}
	return &l
}

// theForm is what does not depend on the shape.
var theForm = sync.OnceValue(func() *layout {
	l := &layout{Version: layoutVersion, Ring: ringSize, Sizes: map[string]int{}, Fields: map[string]map[string]field{},
		Names: map[string][]string{
			"phase": phaseNames[:], "flags": flagNames[:], "bits": relay.Bits[:], "cause": causeNames(), "stage": stageNames[:], "told": toldNames[:], "notice": noticeNames[:],
		}}
	for _, t := range sectionTypes {
		l.Sizes[t.name] = int(t.is.Size())
		l.Fields[t.name] = map[string]field{}
		fieldsOf(t.is, "", 0, l.Fields[t.name])
	}
	return l
})

func fieldsOf(t reflect.Type, path string, at int, into map[string]field) {
	if t.Kind() == reflect.Array && t.Elem().Kind() == reflect.Struct { // counters by cause
		for c := range t.Len() {
			fieldsOf(t.Elem(), path+"."+Cause(c).String(), at+c*int(t.Elem().Size()), into)
		}
		return
	}
	if t.Kind() != reflect.Struct {
		into[path] = field{at, int(t.Size())}
		return
	}
	for i := range t.NumField() {
		f := t.Field(i)
		if f.Name == "_" || f.Type.Size() == 0 {
			continue
		}
		name := f.Name
		if path != "" {
			name = path + "." + name
		}
		fieldsOf(f.Type, name, at+int(f.Offset), into)
	}
}

func causeNames() (names []string) {
	for c := range causes {
		names = append(names, c.String())
	}
	return names
}

// size is how long a book of this layout is before it grows.
func (l *layout) size() int { return frontSize + l.Shape.Workers*l.Chapter }

// at is where a section of worker i begins.
func (l *layout) at(section string, i int) int { return frontSize + i*l.Chapter + l.Sections[section] }

func (l *layout) encode() []byte {
	text, err := json.Marshal(l)
	if err != nil {
		panic(fmt.Sprint("layout: ", err)) // of our own types
	}
	return text
}
