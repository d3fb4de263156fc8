package flowtrail

import (
	"math"
	"time"

	"github.com/flowtrail/flowtrail/clients/go/flowtrailv1"
)

// welcomed notes what the server takes. What it does not limit has no limit.
func (o *outbox) welcomed(w *flowtrailv1.Welcome) {
	o.mu.Lock()
	defer o.mu.Unlock()
	room := limit(w.GetMaxChunkBytes()) - chunkFrame
	o.limits = limits{
		chunkBytes:  room,
		eventBytes:  min(limit(w.GetMaxEventBytes()), room),
		chunkEvents: limit(w.GetMaxChunkEvents()),
		unanswered:  limit(w.GetMaxUnansweredChunks()),
	}
}

func limit[N uint32 | uint64](told N) int {
	if told == 0 || uint64(told) > math.MaxInt {
		return math.MaxInt
	}
	return int(told)
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
		fits.sequence, fits.message = sequence, fits.bytes()
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
