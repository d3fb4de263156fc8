package flowtrail

import (
	"time"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/flowtrail/flowtrail/clients/go/flowtrailv1"
)

// chunkBytes is the size at which a chunk is full: hundreds of steps.
const chunkBytes = 256 << 10

// Numbers of the fields that are written by hand: the envelope of events that are encoded already.
const (
	fieldRequestChunk  = 2
	fieldChunkSequence = 1
	fieldChunkResent   = 2
	fieldChunkEvents   = 3
)

// chunkFrame is at least what a message takes besides its events' bytes.
const chunkFrame = 64

// chunk holds encoded events in the order in which they were recorded. It is where receipts
// look for their answer; what is sent of it is a part.
type chunk struct {
	// The field `events` of the message, once for each event.
	bytes []byte
	// Where each event ends in bytes.
	ends []int
	// When the first event was recorded.
	since time.Time
	// Somebody waits for it: it is sent as soon as few others are on their way.
	urgent bool

	// Events without an answer.
	unsettled  int
	rejections map[int]*RejectedError
	// Why events of this chunk were given up.
	gaveUp error
	// A connection that broke may still be reading bytes.
	exposed bool
	// Closed when every event has its answer.
	done chan struct{}
}

func newChunk(now time.Time, buffer []byte) *chunk {
	return &chunk{since: now, bytes: buffer, done: make(chan struct{})}
}

// encodedSize is what an event of so many bytes takes in a chunk.
func encodedSize(size int) int {
	return protowire.SizeTag(fieldChunkEvents) + protowire.SizeBytes(size)
}

func (c *chunk) whole() *part {
	return &part{chunk: c, to: len(c.ends)}
}

func (c *chunk) start(index int) int {
	if index == 0 {
		return 0
	}
	return c.ends[index-1]
}

// size is what the event itself takes, without its tag and length.
func (c *chunk) size(index int) int {
	encoded := c.bytes[c.start(index):c.ends[index]]
	_, _, tag := protowire.ConsumeTag(encoded)
	size, _ := protowire.ConsumeVarint(encoded[tag:])
	return int(size)
}

// settle answers for count events and tells whether the chunk is done with.
func (c *chunk) settle(count int) bool {
	c.unsettled -= count
	if c.unsettled > 0 {
		return false
	}
	close(c.done)
	return true
}

func (c *chunk) reject(index int, reason *RejectedError) {
	if c.rejections == nil {
		c.rejections = make(map[int]*RejectedError)
	}
	c.rejections[index] = reason
}

// part is a range of a chunk's events that is sent as one message; nearly always all of them.
type part struct {
	chunk    *chunk
	from, to int
	// The number of the message in its stream. Where it was sent again, the last one.
	sequence uint64
	// The events' bytes, as they are sent.
	message []byte
	// It was sent before, and the answer is not known.
	resent bool
	// A server called the stream's conversation wrong while this part was unanswered.
	suspect bool
}

func (p *part) events() int {
	return p.to - p.from
}

func (p *part) bytes() []byte {
	return p.chunk.bytes[p.chunk.start(p.from):p.chunk.start(p.to)]
}

// split cuts off what fits into one message, or an event that fits into none, from the front.
func (p *part) split(limits limits) (head, tail *part) {
	from := p.chunk.start(p.from)
	to := p.from + 1
	for to < p.to && to-p.from < limits.chunkEvents && p.chunk.ends[to]-from <= limits.chunkBytes {
		to++
	}
	return p.divided(to)
}

// again notes that the part was sent and will be sent once more, or given up.
func (p *part) again() {
	p.resent, p.chunk.exposed = true, true
}

func (p *part) halves() (head, tail *part) {
	return p.divided(p.from + p.events()/2)
}

func (p *part) divided(at int) (head, tail *part) {
	first, second := *p, *p
	first.to, second.from = at, at
	return &first, &second
}

// header is everything of the message but its events.
func (p *part) header() []byte {
	head := protowire.AppendTag(nil, fieldChunkSequence, protowire.VarintType)
	head = protowire.AppendVarint(head, p.sequence)
	if p.resent {
		head = protowire.AppendTag(head, fieldChunkResent, protowire.VarintType)
		head = protowire.AppendVarint(head, 1)
	}
	envelope := protowire.AppendTag(nil, fieldRequestChunk, protowire.BytesType)
	envelope = protowire.AppendVarint(envelope, uint64(len(head)+len(p.message)))
	return append(envelope, head...)
}

// Receipt finds the answer to one event.
type Receipt struct {
	client *Client
	chunk  *chunk
	index  int
}

func (r Receipt) answer() error {
	if rejection := r.chunk.rejections[r.index]; rejection != nil {
		return rejection
	}
	return r.chunk.gaveUp
}

// kindOf names the kind of an event for messages.
func kindOf(event *flowtrailv1.Event) (kind, instance string) {
	switch kind := event.GetKind().(type) {
	case *flowtrailv1.Event_Started:
		return "start", kind.Started.GetInstanceId()
	case *flowtrailv1.Event_Step:
		return "step", kind.Step.GetInstanceId()
	case *flowtrailv1.Event_Ended:
		return "end", kind.Ended.GetInstanceId()
	}
	return "event", ""
}
