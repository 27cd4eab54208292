package health

import (
	"container/heap"
	"time"
)

// queue is the checks that wait for their time, the next one first. One timer
// serves them all.
type queue []*check

// at puts a check into the queue, or moves it there.
func (q *queue) at(c *check, due time.Time) {
	c.due = due
	if c.place >= 0 {
		heap.Fix(q, c.place)
		return
	}
	heap.Push(q, c)
}

// take takes the first check out if it is due, or returns nil.
func (q *queue) take(now time.Time) *check {
	if len(*q) == 0 || (*q)[0].due.After(now) {
		return nil
	}
	return heap.Pop(q).(*check)
}

// remove takes a check out if it is in.
func (q *queue) remove(c *check) {
	if c.place >= 0 {
		heap.Remove(q, c.place)
	}
}

// Len, Less, Swap, Push and Pop are for container/heap.
func (q queue) Len() int           { return len(q) }
func (q queue) Less(i, j int) bool { return q[i].due.Before(q[j].due) }

// Swap keeps each check's place.
func (q queue) Swap(i, j int) {
	q[i], q[j] = q[j], q[i]
	q[i].place, q[j].place = i, j
}

// Push appends a check.
func (q *queue) Push(x any) {
	c := x.(*check)
	c.place = len(*q)
	*q = append(*q, c)
}

// Pop takes the last one off.
func (q *queue) Pop() any {
	last := len(*q) - 1
	c := (*q)[last]
	(*q)[last] = nil
	*q = (*q)[:last]
	c.place = -1
	return c
}
