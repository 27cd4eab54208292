package health

import "time"

// queue is the inquiries that wait for their time, a heap with the next one
// first. One timer serves them all. The times stand in the heap itself: to
// compare them is all that it does, and inquiries are far apart in memory.
type queue []waiting

type waiting struct {
	due time.Time
	*inquiry
}

// at puts an inquiry into the queue, or moves it there.
func (q *queue) at(i *inquiry, due time.Time) {
	if i.place < 0 {
		i.place = len(*q)
		*q = append(*q, waiting{inquiry: i})
	}
	(*q)[i.place].due = due
	q.settle(i.place)
}

// take takes the first one out if it is due, or returns nil.
func (q *queue) take(now time.Time) *inquiry {
	if len(*q) == 0 || (*q)[0].due.After(now) {
		return nil
	}
	i := (*q)[0].inquiry
	q.remove(i)
	return i
}

// remove takes an inquiry out if it is in.
func (q *queue) remove(i *inquiry) {
	if i.place < 0 {
		return
	}
	at, last := i.place, len(*q)-1
	q.swap(at, last)
	(*q)[last] = waiting{}
	*q = (*q)[:last]
	i.place = -1
	if at < last {
		q.settle(at)
	}
}

// due is the time of one that is in.
func (q queue) due(i *inquiry) time.Time { return q[i.place].due }

// settle moves the one at i to where it belongs.
func (q queue) settle(i int) {
	for i > 0 && q.less(i, (i-1)/2) {
		q.swap(i, (i-1)/2)
		i = (i - 1) / 2
	}
	for {
		child := 2*i + 1
		if child+1 < len(q) && q.less(child+1, child) {
			child++
		}
		if child >= len(q) || !q.less(child, i) {
			return
		}
		q.swap(i, child)
		i = child
	}
}

func (q queue) less(i, j int) bool { return q[i].due.Before(q[j].due) }

// swap keeps each one's place.
func (q queue) swap(i, j int) {
	q[i], q[j] = q[j], q[i]
	q[i].place, q[j].place = i, j
}
