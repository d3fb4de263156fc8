package flowtrail

import "github.com/flowtrail/flowtrail/clients/go/flowtrailv1"

func (o *outbox) reject(p *part, index int, reason *RejectedError) {
	o.stats.Rejected++
	p.chunk.reject(index, reason)
}

// settle gives a part's memory back. Its events were counted by whoever answered for them.
func (o *outbox) settle(p *part) {
	for index := p.from; index < p.to; index++ {
		o.used -= min(p.chunk.ends[index]-p.chunk.start(index)+eventOverhead, o.budget)
	}
	o.stats.Waiting -= uint64(p.events())
	// Slices that once held the part must not hold its bytes.
	p.message = nil
	if p.chunk.settle(p.events()) {
		o.reuse(p.chunk)
	}
	o.grant()
}

// reuse keeps the memory of a chunk. What a broken connection may still be reading is left to the
// garbage collector.
func (o *outbox) reuse(c *chunk) {
	if cap(c.bytes) == chunkBytes && !c.exposed && (len(o.spare)+1)*chunkBytes <= o.budget/spareShare {
		o.spare = append(o.spare, c.bytes[:0])
	}
	c.bytes = nil
}

// acknowledge settles every part in flight up to the ack's sequence and answers with the
// rejections that it holds.
func (o *outbox) acknowledge(ack *flowtrailv1.Ack) []*RejectedError {
	o.mu.Lock()
	defer o.mu.Unlock()
	var rejections []*RejectedError
	for _, rejection := range ack.GetRejections() {
		for _, part := range o.flight {
			index := part.from + int(rejection.GetIndex())
			if part.sequence != rejection.GetSequence() || index >= part.to {
				continue
			}
			reason := &RejectedError{Code: rejection.GetCode(), Reason: rejection.GetReason()}
			o.reject(part, index, reason)
			rejections = append(rejections, reason)
		}
	}
	events := 0
	for len(o.flight) > 0 && o.flight[0].sequence <= ack.GetThroughSequence() {
		part := o.flight[0]
		o.flight = o.flight[1:]
		events += part.events()
		o.settle(part)
	}
	o.stats.Skipped += ack.GetSkipped()
	o.stats.Acknowledged += uint64(max(events-len(rejections)-int(ack.GetSkipped()), 0))
	o.nudge()
	return rejections
}

// lost queues again what was in flight on a stream that ended.
func (o *outbox) lost() {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, part := range o.flight {
		part.again()
	}
	o.queued = append(o.flight, o.queued...)
	o.flight = nil
}

// refused does the same after the server said that something on the stream was wrong, and closes
// in on what it was: every suspect is sent alone, one that fails alone is halved, and an event that
// fails alone is rejected. The rejection is answered, if it came to that.
func (o *outbox) refused(message string) *RejectedError {
	o.mu.Lock()
	defer o.mu.Unlock()
	flight := o.flight
	o.flight = nil
	if len(flight) == 1 && flight[0].events() == 1 {
		rejection := &RejectedError{Reason: message}
		flight[0].again()
		o.reject(flight[0], flight[0].from, rejection)
		o.settle(flight[0])
		return rejection
	}
	if len(flight) == 1 {
		head, tail := flight[0].halves()
		flight = []*part{head, tail}
	}
	for _, part := range flight {
		part.again()
		part.suspect = true
	}
	o.queued = append(flight, o.queued...)
	return nil
}

// giveUp gives up everything that has no answer, counts it as dropped and says so.
func (o *outbox) giveUp(cause error) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.seal()
	parts := append(o.flight, o.queued...)
	o.flight, o.queued = nil, nil
	gaveUp := &UnacknowledgedError{Cause: cause}
	for _, part := range parts {
		gaveUp.Events += part.events()
	}
	for _, part := range parts {
		part.again()
		part.chunk.gaveUp = gaveUp
		o.settle(part)
	}
	if gaveUp.Events == 0 {
		return nil
	}
	o.stats.Dropped += uint64(gaveUp.Events)
	return gaveUp
}
