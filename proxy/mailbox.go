package proxy

import (
	"sync"

	"sluice/internal/sys"
)

// message is what others may ask of a worker.
type message struct {
	kind order
	door *door
	ask  func(*worker)
}

type order uint8

const (
	openDoor    order = iota // accept from door
	closeDoor                // accept what waits there, then no more
	retryDoor                // doors that were paused may accept again
	newLive                  // look at the server's live
	backToDoors              // its rest was ended
	resetAll                 // reset every connection
	answerTo                 // do what ask says
	leave                    // end the loop
	halt                     // end the loop and leave everything open
)

// mailbox is how others reach a worker. It is for rare things: a mutex, a
// slice and an eventfd that ends the worker's wait.
type mailbox struct {
	fd    int
	mutex sync.Mutex
	list  []message
}

func (m *mailbox) post(msg message) {
	m.mutex.Lock()
	m.list = append(m.list, msg)
	m.mutex.Unlock()
	sys.Signal(m.fd)
}

func (m *mailbox) take() []message {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	list := m.list
	m.list = nil
	return list
}

func (w *worker) readMail() {
	sys.Unsignal(w.mail.fd)
	mail := w.mail.take()
	w.live = w.server.live.Load() // at least as new as what the messages speak of
	for _, msg := range mail {
		switch msg.kind {
		case openDoor:
			w.tellNoMPTCP(msg.door)
			w.openDoor(msg.door)
		case closeDoor:
			w.closeDoor(msg.door)
		case retryDoor, newLive: // a new table may have new limits
			w.unpause()
			if msg.kind == newLive {
				w.changeQueues()
			}
		case backToDoors:
			w.backToDoors()
		case answerTo:
			msg.ask(w)
		case resetAll:
			w.resetAll()
		case leave, halt:
			w.leaving = true
		}
	}
}

// resetAll ends what the grace period left.
func (w *worker) resetAll() {
	for slot := uint32(1); slot <= w.slab.page.used; slot++ {
		if c := w.slab.at(slot); c.generation != 0 {
			w.kill(slot, c, ShutDown)
		}
	}
}
