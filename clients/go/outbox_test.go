package flowtrail

import (
	"errors"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/flowtrail/flowtrail/clients/go/flowtrailv1"
)

// world is an outbox, what was given to it, and a server that was dreamt up.
type world struct {
	t      *testing.T
	chance *rand.Rand
	outbox *outbox
	limits *flowtrailv1.Welcome

	receipts []Receipt
	sizes    []int
	// What the server's answer to each event will be, once it has it; empty: taken.
	poison []poison
	// How often an event was answered by the server.
	answered []int

	sequence uint64
	// The events in flight on this stream, by part.
	flight [][]int
	parts  []*part
	// The newest event that was sent on this stream.
	newest int
	sent   []bool
}

type poison int

const (
	fine poison = iota
	// Rejected in an ack.
	invalid
	// Ends the stream with INVALID_ARGUMENT.
	wrongful
)

func numbered(number, size int) *flowtrailv1.Event {
	return &flowtrailv1.Event{Kind: &flowtrailv1.Event_Step{Step: &flowtrailv1.StepRecorded{
		InstanceId: strconv.Itoa(number),
		StepData:   make([]byte, size),
	}}}
}

func TestAnOutboxKeepsEveryEventInOrderUntilItsAnswer(t *testing.T) {
	first := rand.Uint64()
	for seed := first; seed < first+40; seed++ {
		t.Run(strconv.FormatUint(seed, 10), func(t *testing.T) {
			w := &world{
				t:      t,
				chance: rand.New(rand.NewPCG(seed, 0)),
				outbox: newOutbox(1<<20, Wait, time.Millisecond),
			}
			w.connect()
			for range 2000 {
				w.act()
			}
			w.drain()
			w.check()
		})
	}
}

func (w *world) act() {
	switch dice := w.chance.IntN(100); {
	case dice < 60:
		w.add()
	case dice < 80:
		w.send(time.Now().Add(time.Duration(w.chance.IntN(2)) * time.Second))
	case dice < 95:
		w.answer(w.chance.IntN(len(w.flight) + 1))
	case dice < 98:
		for chunks := w.outbox.unanswered(); len(chunks) > 0; chunks = nil {
			w.outbox.hurry(chunks[w.chance.IntN(len(chunks))])
		}
	default:
		w.outbox.lost()
		w.connect()
	}
	w.balance()
}

// connect begins a stream, with other limits than the last one's.
func (w *world) connect() {
	w.limits = &flowtrailv1.Welcome{
		MaxChunkBytes:       uint64(4<<10 + w.chance.IntN(200<<10)),
		MaxEventBytes:       uint64(2<<10 + w.chance.IntN(200<<10)),
		MaxChunkEvents:      uint32(1 + w.chance.IntN(300)),
		MaxUnansweredChunks: uint32(1 + w.chance.IntN(8)),
	}
	w.outbox.welcomed(w.limits)
	w.sequence, w.newest, w.flight, w.parts = 0, -1, nil, nil
}

func (w *world) add() {
	size := w.chance.IntN(2 << 10)
	if w.chance.IntN(50) == 0 {
		size = w.chance.IntN(300 << 10)
	}
	event := numbered(len(w.receipts), size)
	if w.chance.IntN(200) == 0 {
		event.GetStep().TaskName = proto.String("\xff")
	}
	encoded := proto.Size(event)
	receipt, room, err := w.outbox.add(newEncoding(event), nil)
	var rejection *RejectedError
	switch {
	case errors.As(err, &rejection):
		tooLarge := encoded > int(w.limits.GetMaxEventBytes()) || encoded > int(w.limits.GetMaxChunkBytes())-chunkFrame
		if !tooLarge && event.GetStep().TaskName == nil {
			w.t.Fatalf("event %d of %d bytes is rejected: %v", len(w.receipts), encoded, err)
		}
		return
	case err != nil:
		w.t.Fatalf("add: %v", err)
	case event.GetStep().TaskName != nil && room == nil:
		w.t.Fatal("a text that is no UTF-8 was taken")
	case room != nil:
		if used := w.outbox.counted().WaitingBytes; int(used)+w.outbox.charge(encoded) <= w.outbox.budget {
			w.t.Fatalf("no room for %d bytes with %d used", encoded, used)
		}
		w.outbox.leave(room)
		return
	}
	w.receipts = append(w.receipts, receipt)
	w.sizes = append(w.sizes, encoded)
	w.answered = append(w.answered, 0)
	w.sent = append(w.sent, false)
	w.poison = append(w.poison, map[int]poison{0: invalid, 1: wrongful}[w.chance.IntN(200)])
}

// send takes the next part, if there is one, as a server would.
func (w *world) send(now time.Time) {
	w.sequence += 1 + uint64(w.chance.IntN(2))
	part, _ := w.outbox.next(w.sequence, now)
	if part == nil {
		return
	}
	buffers, err := codec{}.Marshal(part)
	if err != nil {
		w.t.Fatal(err)
	}
	var request flowtrailv1.RecordRequest
	if err := (codec{}).Unmarshal(buffers, &request); err != nil {
		w.t.Fatal(err)
	}
	chunk := request.GetChunk()
	if chunk.GetSequence() != w.sequence {
		w.t.Fatalf("sequence %d instead of %d", chunk.GetSequence(), w.sequence)
	}
	if size := proto.Size(chunk); size > int(w.limits.GetMaxChunkBytes()) || len(chunk.GetEvents()) == 0 || len(chunk.GetEvents()) > int(w.limits.GetMaxChunkEvents()) {
		w.t.Fatalf("%d events of %d bytes were sent; the limits are %v", len(chunk.GetEvents()), size, w.limits)
	}
	var events []int
	for _, event := range chunk.GetEvents() {
		number, err := strconv.Atoi(event.GetStep().GetInstanceId())
		if err != nil || proto.Size(event) != w.sizes[number] {
			w.t.Fatalf("event %d is not what was recorded (%v)", number, err)
		}
		w.expectNext(number)
		if w.sent[number] && !chunk.GetResent() {
			w.t.Fatalf("event %d is sent again without saying so", number)
		}
		w.newest, w.sent[number] = number, true
		events = append(events, number)
	}
	w.flight, w.parts = append(w.flight, events), append(w.parts, part)
	if len(w.flight) > int(w.limits.GetMaxUnansweredChunks()) {
		w.t.Fatalf("%d parts in flight; the limit is %d", len(w.flight), w.limits.GetMaxUnansweredChunks())
	}
}

// expectNext checks that every event between the newest sent and this one has its answer, or is too
// large for this server.
func (w *world) expectNext(number int) {
	if number <= w.newest {
		w.t.Fatalf("event %d is sent after event %d", number, w.newest)
	}
	for left := w.newest + 1; left < number; left++ {
		if w.answered[left] == 0 && w.receipts[left].chunk.rejections[w.receipts[left].index] == nil {
			w.t.Fatalf("event %d is sent before event %d, which has no answer", number, left)
		}
	}
}

// answer acknowledges the first parts in flight, up to one with an event that ends streams.
func (w *world) answer(parts int) {
	wrong := parts
	for i, events := range w.flight[:parts] {
		if slices.ContainsFunc(events, func(event int) bool { return w.poison[event] == wrongful }) {
			wrong = i
			break
		}
	}
	if wrong == parts {
		w.acknowledge(parts)
		return
	}
	// What the server took before, it may have said so or not.
	w.acknowledge(w.chance.IntN(wrong + 1))
	alone := len(w.flight) == 1 && len(w.flight[0]) == 1
	rejection := w.outbox.refused("wrong")
	if (rejection != nil) != alone {
		w.t.Fatalf("after INVALID_ARGUMENT with %v in flight: %v", w.flight, rejection)
	}
	if alone {
		w.answered[w.flight[0][0]]++
	}
	w.connect()
}

// acknowledge answers the first parts in flight, in one ack or several.
func (w *world) acknowledge(parts int) {
	ack := &flowtrailv1.Ack{}
	for i := range parts {
		for index, event := range w.flight[i] {
			w.answered[event]++
			if w.poison[event] == invalid {
				ack.Rejections = append(ack.Rejections, &flowtrailv1.Rejection{
					Sequence: w.parts[i].sequence,
					Index:    uint32(index),
					Code:     flowtrailv1.RejectionCode_REJECTION_CODE_MISSING_FIELD,
					Reason:   strconv.Itoa(event),
				})
			}
		}
		ack.ThroughSequence = w.parts[i].sequence
		if w.chance.IntN(2) == 0 || i == parts-1 {
			w.outbox.acknowledge(ack)
			ack = &flowtrailv1.Ack{}
		}
	}
	w.flight, w.parts = w.flight[parts:], w.parts[parts:]
}

func (w *world) drain() {
	for range 100_000 {
		if w.outbox.empty() {
			return
		}
		w.send(time.Now().Add(time.Second))
		w.answer(len(w.flight))
	}
	w.t.Fatalf("never empty: %+v", w.outbox.counted())
}

func (w *world) balance() {
	stats := w.outbox.counted()
	if stats.Recorded != stats.Acknowledged+stats.Skipped+stats.Rejected+stats.Dropped+stats.Waiting {
		w.t.Fatalf("the counts do not add up: %+v", stats)
	}
	if stats.WaitingBytes > uint64(w.outbox.budget) || (stats.WaitingBytes == 0) != (stats.Waiting == 0) {
		w.t.Fatalf("%d events take %d bytes", stats.Waiting, stats.WaitingBytes)
	}
}

func (w *world) check() {
	w.balance()
	if w.outbox.used != 0 {
		w.t.Fatalf("%d bytes are used for nothing", w.outbox.used)
	}
	rejected := uint64(0)
	for event, receipt := range w.receipts {
		select {
		case <-receipt.chunk.done:
		default:
			w.t.Fatalf("event %d has no answer", event)
		}
		var rejection *RejectedError
		said := errors.As(receipt.answer(), &rejection)
		if said {
			rejected++
		}
		switch {
		case said && strings.Contains(rejection.Reason, "--max-event-bytes"):
			// No server that it met took it.
		case w.poison[event] == fine && (said || w.answered[event] != 1):
			w.t.Fatalf("event %d was answered %d times, with %v", event, w.answered[event], receipt.answer())
		case w.poison[event] == invalid && (!said || rejection.Reason != strconv.Itoa(event)):
			w.t.Fatalf("event %d was to be rejected and has %v", event, receipt.answer())
		case w.poison[event] == wrongful && (!said || rejection.Reason != "wrong"):
			w.t.Fatalf("event %d was to be rejected alone and has %v", event, receipt.answer())
		}
	}
	if stats := w.outbox.counted(); stats.Rejected != rejected || stats.Recorded != uint64(len(w.receipts)) {
		w.t.Fatalf("of %d events %d were rejected, and counted is %+v", len(w.receipts), rejected, stats)
	}
}
