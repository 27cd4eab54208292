package proxy

import (
	"fmt"
	"sync/atomic"

	"sluice/internal/sys"
)

// File is a file at a path. Stamp tells its content from what it was before.
type File struct{ Path, Stamp string }

// fallbackFile is the open file of a listener's fallback. A reload that finds another
// content opens the file anew; the last worker that has seen it closes the old one.
// Conns that are being sent it have a descriptor each, so they get one content whole.
type fallbackFile struct {
	fd      int
	holders atomic.Int32
}

// openFallbacks opens the files that t needs and the table in force has not.
func (in *live) openFallbacks(t *Table, o *Opening) (errs []error) {
	for _, l := range t.Listeners {
		if l.Fallback.Path == "" || in.fallbackOf(l) != nil {
			continue
		}
		fd, err := sys.OpenFile(l.Fallback.Path)
		if err != nil {
			errs = append(errs, fmt.Errorf("listener %s: fallback_file: %w", l.Name, err))
			continue
		}
		o.files[l.Name] = &fallbackFile{fd: fd}
	}
	return errs
}

// fallbackOf is the open file that a listener has already, nil if it has none.
func (in *live) fallbackOf(l *Listener) *fallbackFile {
	for _, slot := range in.listeners {
		if slot != nil && slot.retired == 0 && slot.Name == l.Name && slot.Fallback == l.Fallback {
			return slot.fallback
		}
	}
	return nil
}

// placeFallbacks gives each listener its file, and returns those that nobody has any
// more.
func (n *live) placeFallbacks(before *live, o *Opening) (removed []*fallbackFile) {
	kept := map[*fallbackFile]bool{}
	for _, slot := range n.listeners {
		if slot == nil {
			continue
		}
		if slot.fallback == nil && o != nil && slot.retired == 0 {
			if f := o.files[slot.Name]; f != nil {
				slot.fallback = f
				delete(o.files, slot.Name)
			}
		}
		kept[slot.fallback] = true
	}
	for _, slot := range before.listeners {
		if slot != nil && slot.fallback != nil && !kept[slot.fallback] {
			kept[slot.fallback] = true
			removed = append(removed, slot.fallback)
		}
	}
	return removed
}

// dropFallbacks closes files as soon as every worker has a later live.
func (s *Server) dropFallbacks(files []*fallbackFile) {
	for _, f := range files {
		f.holders.Store(int32(len(s.workers)))
		s.post(message{kind: answerTo, ask: func(*worker) {
			if f.holders.Add(-1) == 0 {
				sys.Close(f.fd)
			}
		}})
	}
}

// closeFallbacks closes those of a Server whose workers have ended.
func (s *Server) closeFallbacks() {
	for _, slot := range s.live.Load().listeners {
		if slot != nil && slot.fallback != nil {
			sys.Close(slot.fallback.fd)
			slot.fallback = nil
		}
	}
}
