package flowtrail

import "slices"

// place is where somebody stands in the line for room. Whoever came first goes first, so that small
// events do not starve a large one.
type place struct {
	charge int
	// Room is set aside: charged, for the event to come.
	granted bool
	// Closed when there is room, or when the outbox is closed.
	ready chan struct{}
}

// fits tells whether so much can be charged now.
func (o *outbox) fits(charge int) bool {
	return o.used+charge <= o.budget
}

// stand gets in line.
func (o *outbox) stand(charge int) *place {
	last := &place{charge: charge, ready: make(chan struct{})}
	o.line = append(o.line, last)
	return last
}

// leave gives up a place, and the room that was set aside for it.
func (o *outbox) leave(left *place) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.giveBack(left)
	o.grant()
}

func (o *outbox) giveBack(given *place) {
	switch {
	case given == nil:
	case given.granted:
		o.used -= given.charge
		given.granted = false
	default:
		o.line = slices.DeleteFunc(o.line, func(other *place) bool { return other == given })
	}
}

// grant sets room aside for those in front.
func (o *outbox) grant() {
	for len(o.line) > 0 && o.fits(o.line[0].charge) {
		first := o.line[0]
		o.line = o.line[1:]
		o.used += first.charge
		first.granted = true
		close(first.ready)
	}
}
