package proxy

import (
	"fmt"
	"hash/crc32"
	"sync/atomic"
	"unsafe"

	"sluice/internal/sys"
)

// Blobs are what is kept in the book that is not plain data: names, and what the
// owner of the Server wants to know again. Each has two areas; what is new goes
// to the one that is not in force, and one word puts it in force. So a crash in
// the middle of it leaves the old one whole.

const (
	blobName  = 32 // bytes of a name
	blobsMost = 64
)

// blob is an entry of the directory, which is in the front of the book.
type blob struct {
	name  [blobName]byte
	turn  atomic.Uint64 // the area in force is turn%2; 0: none yet
	areas [2]blobArea
}

type blobArea struct {
	at, room, length uint64
	sum              uint64
}

func (b *book) directory() []blob { return directory(b.memory) }

func directory(memory []byte) []blob {
	return unsafe.Slice((*blob)(unsafe.Pointer(&memory[directoryAt])), blobsMost)
}

func (e *blob) called() string {
	n := 0
	for n < blobName && e.name[n] != 0 {
		n++
	}
	return string(e.name[:n])
}

// save puts data in force under a name. Without a file it does nothing.
func (b *book) save(name string, data []byte) error {
	b.growing.Lock()
	defer b.growing.Unlock()
	if b.fd < 0 {
		return nil
	}
	e, err := b.entry(name)
	if err != nil {
		return err
	}
	turn := e.turn.Load() + 1
	area := &e.areas[turn%2]
	if area.room < uint64(len(data)) {
		if area.room > 0 {
			sys.PunchHole(b.fd, int(area.at), int(area.room))
		}
		n := aligned(len(data) + len(data)/2)
		at, err := b.grow(n)
		if err != nil {
			return err
		}
		area.at, area.room = uint64(at), uint64(n)
	}
	if err := sys.WriteAt(b.fd, data, int(area.at)); err != nil {
		return err
	}
	area.length, area.sum = uint64(len(data)), uint64(crc32.ChecksumIEEE(data))
	fault("blob written")
	e.turn.Store(turn)
	return nil
}

// entry is that of a name, a new one if there is none.
func (b *book) entry(name string) (*blob, error) {
	if len(name) == 0 || len(name) > blobName {
		return nil, fmt.Errorf("a blob cannot be called %q", name)
	}
	entries := b.directory()
	for i := range entries {
		e := &entries[i]
		if e.turn.Load() == 0 {
			e.name = [blobName]byte{}
			copy(e.name[:], name)
			return e, nil
		}
		if e.called() == name {
			return e, nil
		}
	}
	return nil, fmt.Errorf("no room for a blob more than %d", blobsMost)
}

// blobIn is what was saved in a book, nil if there is none of this name.
func blobIn(memory []byte, name string) []byte {
	for i := range directory(memory) {
		e := &directory(memory)[i]
		turn := e.turn.Load()
		if turn == 0 {
			return nil
		}
		if e.called() != name {
			continue
		}
		a := e.areas[turn%2]
		if a.at+a.length > uint64(len(memory)) || a.at+a.length < a.at {
			return nil
		}
		data := memory[a.at : a.at+a.length]
		if uint64(crc32.ChecksumIEEE(data)) != a.sum {
			return nil
		}
		return data
	}
	return nil
}
