package flowtrail

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/status"

	"github.com/flowtrail/flowtrail/clients/go/flowtrailv1"
)

const (
	// Version is this library's, told to the server for its log.
	Version = "0.1.0"

	// welcomeTime is how long a server may take to connect and to welcome.
	welcomeTime = 5 * time.Second
	// A connection that is silent for keepaliveTime is asked, and left when it says nothing for
	// keepaliveTimeout.
	keepaliveTime    = 10 * time.Second
	keepaliveTimeout = 5 * time.Second
	// Tries to connect are leastBackoff apart at first and mostBackoff in the end.
	leastBackoff = 50 * time.Millisecond
	mostBackoff  = 5 * time.Second
	// goodbyeTime is how long a server may take to end a stream of which every chunk is answered.
	goodbyeTime = time.Second
)

// run keeps a stream open until there is nothing more to send, or ctx ends.
func (c *Client) run(ctx context.Context) {
	defer close(c.ended)
	failures, streams := 0, 0
	var since time.Time
	for !c.finished() {
		address := c.options.Addresses[failures%len(c.options.Addresses)]
		useful, err := c.session(ctx, address, func() {
			if streams++; streams > 1 {
				c.outbox.count(func(s *Stats) { s.Reconnects++ })
			}
			if !since.IsZero() {
				c.options.Log.Info("flowtrail: connected again",
					slog.String("address", address), slog.Duration("after", time.Since(since)))
			}
			since = time.Time{}
		})
		if ctx.Err() != nil || err == nil {
			return
		}
		if since.IsZero() {
			since = time.Now()
			c.options.Log.Warn("flowtrail: not connected; events wait", slog.String("address", address),
				slog.Any("reason", err))
		}
		if useful {
			failures = 0
		}
		failures++
		select {
		case <-time.After(backoff(failures, len(c.options.Addresses))):
		case <-ctx.Done():
		case <-c.closingWithNothing():
		}
	}
}

// finished tells whether no more events come and all have their answer.
func (c *Client) finished() bool {
	select {
	case <-c.closing:
		return c.outbox.empty()
	default:
		return false
	}
}

// closingWithNothing is ready when the client is closed and holds nothing.
func (c *Client) closingWithNothing() <-chan struct{} {
	if c.outbox.empty() {
		return c.closing
	}
	return nil
}

// backoff grows with every round in which no address answered, and is spread so that the apps of
// one server do not come back at once.
func backoff(failures, addresses int) time.Duration {
	round := min((failures-1)/addresses, 10)
	most := min(leastBackoff<<round, mostBackoff)
	return most/2 + rand.N(most/2)
}

// session opens a stream, sends what there is and takes the answers, until the stream ends: nil
// when everything was answered and no more comes. A stream that lasted, or brought the client
// forward, was useful: the next try need not wait as if it had failed.
func (c *Client) session(ctx context.Context, address string, welcomed func()) (useful bool, err error) {
	connection, err := c.connection(address)
	if err != nil {
		return false, err
	}
	defer connection.Close()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	late := time.AfterFunc(welcomeTime, func() {
		cancel(fmt.Errorf("no welcome within %s", welcomeTime))
	})
	defer late.Stop()
	stream, err := c.open(ctx, connection)
	if err != nil {
		return false, because(ctx, err)
	}
	if !late.Stop() {
		return false, context.Cause(ctx)
	}
	welcomed()

	opened, sent := time.Now(), make(chan bool, 1)
	go func() { sent <- c.send(ctx, stream) }()
	answered, err := c.receive(stream)
	cancel(nil)
	// Every complaint about what was sent comes closer to what is wrong with it.
	closer := <-sent && status.Code(err) == codes.InvalidArgument
	return answered || closer || time.Since(opened) > mostBackoff, c.settle(err)
}

// because is why ctx ended, or else err.
func because(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	return err
}

func (c *Client) connection(address string) (*grpc.ClientConn, error) {
	secrecy := insecure.NewCredentials()
	if c.options.TLS != nil {
		secrecy = credentials.NewTLS(c.options.TLS)
	}
	return grpc.NewClient("passthrough:///"+address,
		grpc.WithTransportCredentials(secrecy),
		grpc.WithDisableServiceConfig(),
		grpc.WithUserAgent("flowtrail-go/"+Version),
		grpc.WithKeepaliveParams(keepalive.ClientParameters{Time: keepaliveTime, Timeout: keepaliveTimeout}),
	)
}

// stream is the client's end of one conversation.
type stream = grpc.BidiStreamingClient[flowtrailv1.RecordRequest, flowtrailv1.RecordResponse]

// open says hello and hears the welcome.
func (c *Client) open(ctx context.Context, connection *grpc.ClientConn) (stream, error) {
	stream, err := flowtrailv1.NewRecorderClient(connection).Record(ctx, grpc.ForceCodecV2(codec{}))
	if err != nil {
		return nil, err
	}
	hello := &flowtrailv1.RecordRequest{Message: &flowtrailv1.RecordRequest_Hello{Hello: &flowtrailv1.Hello{
		User:       c.options.User,
		App:        c.options.App,
		AppVersion: c.options.AppVersion,
		Host:       c.options.Host,
		Client:     "flowtrail-go/" + Version,
	}}}
	// An error of Send is told by Recv.
	_ = stream.Send(hello)
	first, err := stream.Recv()
	if err != nil {
		return nil, err
	}
	welcome := first.GetWelcome()
	if welcome == nil {
		return nil, errors.New("the first answer is no welcome; is this a flowtrail server?")
	}
	c.outbox.welcomed(welcome)
	c.persistence(welcome.GetPersistenceEnabled())
	return stream, nil
}

func (c *Client) persistence(enabled bool) {
	if c.off.Swap(!enabled) == enabled && c.options.OnPersistence != nil {
		c.options.OnPersistence(enabled)
	}
}

// send sends parts as they become due, and half-closes when there will be no more. It tells whether
// there were any.
func (c *Client) send(ctx context.Context, stream stream) (some bool) {
	for sequence := uint64(1); ; sequence++ {
		part := c.upcoming(ctx, sequence)
		if part == nil {
			_ = stream.CloseSend()
			return some
		}
		some = true
		// An error of SendMsg is told by Recv.
		if stream.SendMsg(part) != nil {
			return some
		}
	}
}

// upcoming waits for the next part; nil when there will be none.
func (c *Client) upcoming(ctx context.Context, sequence uint64) *part {
	for {
		part, wait := c.outbox.next(sequence, time.Now())
		if part != nil {
			return part
		}
		if c.finished() {
			return nil
		}
		var due <-chan time.Time
		if wait > 0 {
			due = time.After(wait)
		}
		select {
		case <-c.outbox.wake:
		case <-due:
		case <-ctx.Done():
			return nil
		}
	}
}

// receive takes answers until the stream ends, and tells whether a chunk was answered.
func (c *Client) receive(stream stream) (answered bool, err error) {
	for {
		answer, err := stream.Recv()
		if err != nil {
			return answered, err
		}
		switch message := answer.GetMessage().(type) {
		case *flowtrailv1.RecordResponse_Ack:
			answered = true
			for _, rejection := range c.outbox.acknowledge(message.Ack) {
				c.told.rejected(rejection)
			}
		case *flowtrailv1.RecordResponse_PersistenceChanged:
			c.persistence(message.PersistenceChanged.GetPersistenceEnabled())
		}
	}
}

// settle decides about what was in flight on a stream that ended with err.
func (c *Client) settle(err error) error {
	if status.Code(err) == codes.InvalidArgument {
		if rejection := c.outbox.refused(status.Convert(err).Message()); rejection != nil {
			c.told.rejected(rejection)
		}
		return err
	}
	c.outbox.lost()
	if errors.Is(err, io.EOF) {
		if c.finished() {
			return nil
		}
		return errors.New("the server ended the stream")
	}
	return err
}
