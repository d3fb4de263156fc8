package flowtrail

import (
	"sync"
	"time"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/flowtrail/flowtrail/clients/go/flowtrailv1"
)

const (
	// eventOverhead is charged for every event besides its bytes: its place in the chunk.
	eventOverhead = 16
	// urgentInFlight is how many chunks may be on their way when one that somebody waits for is
	// sent before it is full or its time is up. More wait, and share the next one.
	urgentInFlight = 2
	// spareBuffers are kept for the next chunks.
	spareBuffers = 16
)

// limits are what a server said it takes. The zero value, before any server was heard, limits
// nothing.
type limits struct {
	chunkBytes, eventBytes, chunkEvents, unanswered int
}

// outbox holds the events between Record and their answer. Its parts are in the order in which
// they were recorded: in flight, then queued, then the open chunk.
type outbox struct {
	budget    int
	flushTime time.Duration

	mu     sync.Mutex
	open   *chunk
	queued []*part
	flight []*part
	// Bytes charged, of all three.
	used int
	// Closed and replaced when room was made.
	room   chan struct{}
	closed bool
	limits limits
	stats  Stats
	spare  [][]byte
	// The last chunk became full, so the next one probably will.
	filling bool

	// wake tells the sending half that there may be something to send.
	wake chan struct{}
}

func newOutbox(budget int, flushTime time.Duration) *outbox {
	return &outbox{
		budget:    budget,
		flushTime: flushTime,
		room:      make(chan struct{}),
		wake:      make(chan struct{}, 1),
	}
}

func (o *outbox) nudge() {
	select {
	case o.wake <- struct{}{}:
	default:
	}
}

// charge is what an event of so many encoded bytes costs. One that is larger than the budget costs
// all of it, so that it can pass alone.
func (o *outbox) charge(size int) int {
	return min(encodedSize(size)+eventOverhead, o.budget)
}

// add takes an event. When there is no room it returns a
// channel that is closed when some was made.
func (o *outbox) add(event encoding) (Receipt, <-chan struct{}, error) {
	size := event.bytes
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.closed {
		return Receipt{}, nil, ErrClosed
	}
	if most := o.limits.eventBytes; most > 0 && size > most {
		return Receipt{}, nil, tooLarge(size, most)
	}
	charge := o.charge(size)
	if o.used > 0 && o.used+charge > o.budget {
		return Receipt{}, o.room, nil
	}
	if o.open != nil && len(o.open.bytes)+encodedSize(size) > chunkBytes {
		o.seal()
	}
	if o.open == nil {
		o.open = newChunk(time.Now(), o.buffer(encodedSize(size)))
		defer o.nudge()
	}
	chunk := o.open
	before := len(chunk.bytes)
	bytes := protowire.AppendTag(chunk.bytes, fieldChunkEvents, protowire.BytesType)
	bytes = protowire.AppendVarint(bytes, uint64(size))
	bytes, err := event.append(bytes)
	if err != nil {
		chunk.bytes = bytes[:before]
		return Receipt{}, nil, notEncodable(err)
	}
	chunk.bytes = bytes
	chunk.ends = append(chunk.ends, len(bytes))
	chunk.unsettled++
	o.used += charge
	o.stats.Recorded++
	o.stats.Waiting++
	if len(bytes) >= chunkBytes {
		o.seal()
		o.nudge()
	}
	return Receipt{chunk: chunk, index: len(chunk.ends) - 1}, nil, nil
}

// buffer is memory for a chunk whose first event takes size bytes.
func (o *outbox) buffer(size int) []byte {
	if size > chunkBytes {
		return make([]byte, 0, size)
	}
	if last := len(o.spare) - 1; last >= 0 {
		buffer := o.spare[last]
		o.spare = o.spare[:last]
		return buffer
	}
	if o.filling {
		return make([]byte, 0, chunkBytes)
	}
	return nil
}

// seal ends the open chunk, if any has events.
func (o *outbox) seal() {
	if o.open == nil || len(o.open.ends) == 0 {
		return
	}
	o.filling = len(o.open.bytes) >= chunkBytes/2
	o.queued = append(o.queued, o.open.whole())
	o.open = nil
}

// next is the part to send now, already in flight; without one it tells how long to wait, at most
// for ever (0), unless nudged.
func (o *outbox) next(sequence uint64, now time.Time) (*part, time.Duration) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for {
		if len(o.flight) >= max(o.limits.unanswered, 1) || o.doubtful() {
			return nil, 0
		}
		if len(o.queued) == 0 {
			if wait, due := o.due(now); !due {
				return nil, wait
			}
			o.seal()
		}
		part := o.queued[0]
		o.queued = o.queued[1:]
		fits := o.fit(part)
		if fits == nil {
			continue
		}
		fits.sequence = sequence
		o.flight = append(o.flight, fits)
		return fits, 0
	}
}

// doubtful holds everything back behind a suspect: it is sent alone, so that the next complaint is
// about nothing else.
func (o *outbox) doubtful() bool {
	if len(o.flight) == 0 {
		return false
	}
	return o.flight[0].suspect || len(o.queued) > 0 && o.queued[0].suspect
}

// due tells whether the open chunk is to be sent now, or else after how long.
func (o *outbox) due(now time.Time) (time.Duration, bool) {
	if o.open == nil || len(o.open.ends) == 0 {
		return 0, false
	}
	if o.closed || o.open.urgent && len(o.flight) < urgentInFlight {
		return 0, true
	}
	wait := o.flushTime - now.Sub(o.open.since)
	return wait, wait <= 0
}

// fit cuts a part to what the server takes and queues the rest; nil when it was an event that the
// server does not take.
func (o *outbox) fit(p *part) *part {
	limits := o.limits
	if size := len(p.bytes()); p.events() > limits.chunkEvents || size > limits.chunkBytes {
		head, tail := p.split(limits)
		if tail.events() > 0 {
			o.queued = append([]*part{tail}, o.queued...)
		}
		p = head
	}
	if size := p.chunk.size(p.from); size > limits.eventBytes {
		if p.events() > 1 {
			head, tail := p.divided(p.from + 1)
			o.queued = append([]*part{tail}, o.queued...)
			p = head
		}
		o.reject(p, p.from, tooLarge(size, limits.eventBytes))
		o.settle(p)
		return nil
	}
	return p
}

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
	if p.chunk.settle(p.events()) {
		o.reuse(p.chunk)
	}
	close(o.room)
	o.room = make(chan struct{})
}

// reuse keeps the memory of a chunk. What a broken connection may still be reading is left to the
// garbage collector.
func (o *outbox) reuse(c *chunk) {
	if cap(c.bytes) == chunkBytes && !c.exposed && len(o.spare) < spareBuffers {
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

// close takes no more events, and has what is held sent at once. It tells whether it was open.
func (o *outbox) close() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.closed {
		return false
	}
	o.closed = true
	close(o.room)
	o.room = make(chan struct{})
	o.nudge()
	return true
}

// hurry has a chunk sent soon, since somebody waits for it.
func (o *outbox) hurry(c *chunk) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if !c.urgent {
		c.urgent = true
		o.nudge()
	}
}

// unanswered are the chunks that have no answer yet.
func (o *outbox) unanswered() []*chunk {
	o.mu.Lock()
	defer o.mu.Unlock()
	var chunks []*chunk
	for _, parts := range [][]*part{o.flight, o.queued} {
		for _, part := range parts {
			chunks = append(chunks, part.chunk)
		}
	}
	if o.open != nil && len(o.open.ends) > 0 {
		chunks = append(chunks, o.open)
	}
	return chunks
}

// empty tells whether nothing is held.
func (o *outbox) empty() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.stats.Waiting == 0
}

func (o *outbox) welcomed(w *flowtrailv1.Welcome) {
	o.mu.Lock()
	defer o.mu.Unlock()
	room := int(w.GetMaxChunkBytes()) - chunkFrame
	o.limits = limits{
		chunkBytes:  room,
		eventBytes:  min(int(w.GetMaxEventBytes()), room),
		chunkEvents: int(w.GetMaxChunkEvents()),
		unanswered:  int(w.GetMaxUnansweredChunks()),
	}
}

// count changes the statistics.
func (o *outbox) count(change func(*Stats)) {
	o.mu.Lock()
	defer o.mu.Unlock()
	change(&o.stats)
}

func (o *outbox) counted() Stats {
	o.mu.Lock()
	defer o.mu.Unlock()
	stats := o.stats
	stats.WaitingBytes = uint64(o.used)
	return stats
}
