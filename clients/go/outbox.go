package flowtrail

import (
	"sync"
	"time"

	"google.golang.org/protobuf/encoding/protowire"
)

const (
	// eventOverhead is charged for every event besides its bytes: its place in the chunk.
	eventOverhead = 16
	// urgentInFlight is how many chunks may be on their way when one that somebody waits for is
	// sent before it is full or its time is up. More wait, and share the next one.
	urgentInFlight = 2
	// spareShare is the share of the budget up to which buffers are kept for the next chunks.
	spareShare = 16
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
	onFull    OnFull
	flushTime time.Duration

	mu     sync.Mutex
	open   *chunk
	queued []*part
	flight []*part
	// Bytes charged, of all three.
	used int
	// Those who wait for room.
	line   []*place
	closed bool
	limits limits
	stats  Stats
	spare  [][]byte
	// The last chunk became full, so the next one probably will.
	filling bool

	// wake tells the sending half that there may be something to send.
	wake chan struct{}
}

func newOutbox(budget int, onFull OnFull, flushTime time.Duration) *outbox {
	return &outbox{
		budget:    budget,
		onFull:    onFull,
		flushTime: flushTime,
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

// add takes an event. Without room, where that is not an error, it answers with a place in the line
// for some: call again with it when that is ready, or leave it.
func (o *outbox) add(event encoding, waited *place) (Receipt, *place, error) {
	size := event.bytes
	o.mu.Lock()
	defer o.mu.Unlock()
	granted := waited != nil && waited.granted
	if waited != nil {
		o.giveBack(waited)
		// What the event does not take after all is for the next.
		defer o.grant()
	}
	if o.closed {
		return Receipt{}, nil, ErrClosed
	}
	if most := o.limits.eventBytes; most > 0 && size > most {
		return Receipt{}, nil, tooLarge(size, most)
	}
	charge := o.charge(size)
	if !granted && (len(o.line) > 0 || !o.fits(charge)) {
		if o.onFull == Drop {
			return Receipt{}, nil, ErrDropped
		}
		return Receipt{}, o.stand(charge), nil
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

// close takes no more events, and has what is held sent at once. It tells whether it was open.
func (o *outbox) close() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.closed {
		return false
	}
	o.closed = true
	for _, waiting := range o.line {
		close(waiting.ready)
	}
	o.line = nil
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
