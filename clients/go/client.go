package flowtrail

import (
	"context"
	"errors"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/flowtrail/flowtrail/clients/go/flowtrailv1"
)

// Stats counts events. Every event that was recorded is acknowledged, skipped, rejected or dropped
// in the end, and waits until then.
type Stats struct {
	// Recorded are the events that were given to the client.
	Recorded uint64
	// Acknowledged are durable.
	Acknowledged uint64
	// Skipped were not stored as the app is switched off, by the client or by the server.
	Skipped uint64
	// Rejected can never be stored as they are.
	Rejected uint64
	// Dropped found no room, or had no answer when the client was closed.
	Dropped uint64
	// Waiting have no answer yet.
	Waiting uint64
	// WaitingBytes is what those take of the budget.
	WaitingBytes uint64
	// Reconnects counts streams that were opened after the first.
	Reconnects uint64
}

// Client streams events to a flowtrail server in the background. It reconnects by itself and sends
// again what was not acknowledged. All methods may be called at once.
type Client struct {
	options Options
	outbox  *outbox
	// off is set while history of the app is switched off.
	off  atomic.Bool
	told complaints

	// stop ends the background work at once.
	stop context.CancelFunc
	// closing is closed when no more events come; ended, when the background work has ended.
	closing, ended chan struct{}
}

// New checks the options and starts to connect. It does not wait for a server.
func New(options Options) (*Client, error) {
	options, err := options.resolved()
	if err != nil {
		return nil, err
	}
	ctx, stop := context.WithCancel(context.Background())
	c := &Client{
		options: options,
		outbox:  newOutbox(options.Budget, options.OnFull, options.FlushTime),
		told:    complaints{log: options.Log},
		stop:    stop,
		closing: make(chan struct{}),
		ended:   make(chan struct{}),
	}
	go c.run(ctx)
	return c, nil
}

// Record takes an event, which must not be changed before it returns, and sends it in the
// background. A start or a step of an app that is switched off is skipped.
//
// When the budget is used up it waits for room, until ctx ends, or drops the event, as the options
// say. The errors are ErrDropped, ErrClosed, a *RejectedError, or that of ctx; in every case the
// event is counted.
func (c *Client) Record(ctx context.Context, event *flowtrailv1.Event) (Receipt, error) {
	if _, end := event.GetKind().(*flowtrailv1.Event_Ended); !end && c.off.Load() {
		c.Skip()
		return Receipt{}, nil
	}
	encoding := newEncoding(event)
	var place *place
	for {
		receipt, full, err := c.outbox.add(encoding, place)
		if place = full; err == nil && place == nil {
			receipt.client = c
			return receipt, nil
		}
		var rejection *RejectedError
		if errors.As(err, &rejection) {
			c.outbox.count(func(s *Stats) { s.Recorded++; s.Rejected++ })
			kind, instance := kindOf(event)
			c.told.rejected(rejection, slog.String("event", kind), slog.String("instance", instance))
			return Receipt{}, err
		}
		if err == nil {
			select {
			case <-place.ready:
				continue
			case <-ctx.Done():
				err = ctx.Err()
			}
		}
		c.outbox.leave(place)
		c.outbox.count(func(s *Stats) { s.Recorded++; s.Dropped++ })
		c.told.dropped(err)
		return Receipt{}, err
	}
}

// Recording tells whether history of this app is switched on, as far as a server has said: true
// until then. While it is off, starts and steps need not be made.
func (c *Client) Recording() bool {
	return !c.off.Load()
}

// Skip counts an event that was not made, since history of this app is switched off.
func (c *Client) Skip() {
	c.outbox.count(func(s *Stats) { s.Recorded++; s.Skipped++ })
}

// Stats are the counts up to now.
func (c *Client) Stats() Stats {
	return c.outbox.counted()
}

// Wait returns when the event has its answer: nil when it is durable, or was skipped as the app is
// switched off; a *RejectedError; an *UnacknowledgedError when the client was closed before; or the
// error of ctx. The event is sent soon, with those that were recorded by then.
func (r Receipt) Wait(ctx context.Context) error {
	if r.chunk == nil {
		return nil
	}
	return r.client.await(ctx, r.chunk, r.answer)
}

func (c *Client) await(ctx context.Context, chunk *chunk, answer func() error) error {
	c.outbox.hurry(chunk)
	select {
	case <-chunk.done:
		return answer()
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Flush returns when every event that was recorded by now has its answer: nil, also when some were
// rejected; an *UnacknowledgedError when the client was closed before; or the error of ctx.
func (c *Client) Flush(ctx context.Context) error {
	for _, chunk := range c.outbox.unanswered() {
		if err := c.await(ctx, chunk, func() error { return chunk.gaveUp }); err != nil {
			return err
		}
	}
	return nil
}

// Close takes no more events and returns when all have their answer, or when ctx ends: then with an
// *UnacknowledgedError that says how many do not. On a client that is closed already it waits for
// the same, without an error for what had no answer.
func (c *Client) Close(ctx context.Context) error {
	if !c.outbox.close() {
		select {
		case <-c.ended:
			return nil
		default:
		}
		select {
		case <-c.ended:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	close(c.closing)
	// The sending half may have looked before.
	c.outbox.nudge()
	err := c.Flush(ctx)
	if err == nil {
		// What is left is a goodbye to the server.
		select {
		case <-c.ended:
		case <-ctx.Done():
		case <-time.After(goodbyeTime):
		}
	}
	c.stop()
	<-c.ended
	return c.outbox.giveUp(err)
}
