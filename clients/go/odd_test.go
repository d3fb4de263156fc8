package flowtrail_test

import (
	"errors"
	"fmt"
	"math/bits"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	flowtrail "github.com/flowtrail/flowtrail/clients/go"
	"github.com/flowtrail/flowtrail/clients/go/flowtrailv1"
)

// taken are the numbers of the steps that an odd server took, in order.
type taken struct {
	mu    sync.Mutex
	steps []int32
}

func (s *taken) take(chunk *flowtrailv1.Chunk) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, event := range chunk.GetEvents() {
		s.steps = append(s.steps, event.GetStep().GetStepId())
	}
}

func (s *taken) expect(t *testing.T, wanted []int32) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if !slices.Equal(s.steps, wanted) {
		t.Errorf("%d events were taken instead of %d, or in another order", len(s.steps), len(wanted))
	}
}

func TestAnEventThatEndsStreamsIsFoundAndRejected(t *testing.T) {
	for _, wrong := range [][]int32{{0}, {4999}, {1234}, {1234, 1235, 4000}} {
		t.Run(fmt.Sprint(wrong), func(t *testing.T) {
			const count = 5000
			var stored taken
			odd := serve(t, func(_ int, conversation conversation) error {
				if err := welcome(conversation, 256); err != nil {
					return err
				}
				return answerAll(conversation, func(chunk *flowtrailv1.Chunk) error {
					for _, event := range chunk.GetEvents() {
						if slices.Contains(wrong, event.GetStep().GetStepId()) {
							return status.Error(codes.InvalidArgument, "cannot be read")
						}
					}
					stored.take(chunk)
					return nil
				})
			})
			options, _ := options(t, odd.address)
			client := open(t, options)
			var receipts []flowtrail.Receipt
			var wanted []int32
			for i := range int32(count) {
				receipts = append(receipts, record(t, client, step("odd", int(i), "x")))
				if !slices.Contains(wrong, i) {
					wanted = append(wanted, i)
				}
			}
			stats := flush(t, client)
			offenders := len(wrong)
			if int(stats.Rejected) != offenders || int(stats.Acknowledged) != count-offenders {
				t.Errorf("%+v", stats)
			}
			stored.expect(t, wanted)
			for i, receipt := range receipts {
				err := receipt.Wait(t.Context())
				var rejection *flowtrail.RejectedError
				switch rejected := errors.As(err, &rejection); {
				case slices.Contains(wrong, int32(i)) != rejected:
					t.Errorf("event %d: %v", i, err)
				case rejected && (rejection.Reason != "cannot be read" || rejection.Code != 0):
					t.Errorf("event %d: %s %q", i, rejection.Code, rejection.Reason)
				}
			}
			// A stream for each halving, and one each to have all, the suspect, and the next ones sent.
			most := 1 + offenders*(bits.Len(count)+2)
			if streams := int(odd.streams.Load()); streams > most {
				t.Errorf("%d streams; at most %d are needed", streams, most)
			}
		})
	}
}

// leastWaits is the least time that so many failures in a row take.
func leastWaits(failures int) time.Duration {
	var least time.Duration
	for failure := range failures {
		least += 25 * time.Millisecond << failure
	}
	return least
}

func TestWhoIsTurnedAwayWaitsLongerAndLonger(t *testing.T) {
	const failures = 5
	for name, turnAway := range map[string]func(conversation) error{
		"at the hello": func(conversation conversation) error {
			return status.Error(codes.InvalidArgument, "hello: not today")
		},
		"after the welcome": func(conversation conversation) error {
			if err := welcome(conversation, 256); err != nil {
				return err
			}
			return status.Error(codes.Unavailable, "not today")
		},
		"with OK": func(conversation conversation) error {
			return welcome(conversation, 256)
		},
	} {
		t.Run(name, func(t *testing.T) {
			var stored taken
			began := time.Now()
			odd := serve(t, func(stream int, conversation conversation) error {
				if stream <= failures {
					return turnAway(conversation)
				}
				if err := welcome(conversation, 256); err != nil {
					return err
				}
				return answerAll(conversation, func(chunk *flowtrailv1.Chunk) error {
					stored.take(chunk)
					return nil
				})
			})
			options, journal := options(t, odd.address)
			client := open(t, options)
			record(t, client, step("odd", 1, "x"))
			if stats := flush(t, client); stats.Acknowledged != 1 {
				t.Errorf("%+v", stats)
			}
			if waited := time.Since(began); waited < leastWaits(failures) {
				t.Errorf("%d streams failed within %s", failures, waited)
			}
			stored.expect(t, []int32{1})
			if !strings.Contains(journal.String(), "not connected") {
				t.Error("nothing was logged")
			}
		})
	}
}

func TestAServerThatDoesNotWelcomeIsLeft(t *testing.T) {
	silent := serve(t, func(_ int, conversation conversation) error {
		<-conversation.Context().Done()
		return nil
	})
	other := serve(t, func(_ int, conversation conversation) error {
		return acknowledge(conversation, &flowtrailv1.Chunk{Sequence: 1})
	})
	var stored taken
	good := serve(t, func(_ int, conversation conversation) error {
		if err := welcome(conversation, 256); err != nil {
			return err
		}
		return answerAll(conversation, func(chunk *flowtrailv1.Chunk) error {
			stored.take(chunk)
			return nil
		})
	})
	options, journal := options(t, silent.address, other.address, good.address)
	client := open(t, options)
	record(t, client, step("odd", 1, "x"))
	if stats := flush(t, client); stats.Acknowledged != 1 || stats.Reconnects != 0 {
		t.Errorf("%+v", stats)
	}
	stored.expect(t, []int32{1})
	if logged := journal.String(); !strings.Contains(logged, "no welcome within 5s") || !strings.Contains(logged, "connected again") {
		t.Errorf("logged: %s", logged)
	}
	if silent.streams.Load() != 1 || other.streams.Load() != 1 {
		t.Errorf("%d and %d streams", silent.streams.Load(), other.streams.Load())
	}
}

func TestWhatAnEndedStreamDidNotAnswerIsSentAgain(t *testing.T) {
	const count = 1000
	var stored taken
	resent := make(chan bool, count)
	odd := serve(t, func(stream int, conversation conversation) error {
		if err := welcome(conversation, 256); err != nil {
			return err
		}
		// The first three streams answer as many chunks as their number, take one more and end.
		for chunks := 0; ; chunks++ {
			request, err := conversation.Recv()
			if err != nil {
				return nil
			}
			chunk := request.GetChunk()
			switch {
			case stream < 4 && chunks == stream && stream%2 == 0:
				return status.Error(codes.Unavailable, "a chunk was lost")
			case stream < 4 && chunks == stream:
				return nil
			}
			if chunks == 0 {
				resent <- chunk.GetResent()
			}
			stored.take(chunk)
			if err := acknowledge(conversation, chunk); err != nil {
				return err
			}
		}
	})
	options, _ := options(t, odd.address)
	client := open(t, options)
	var wanted []int32
	for i := range int32(count) {
		record(t, client, step("odd", int(i), kibibyte))
		wanted = append(wanted, i)
	}
	if stats := flush(t, client); stats.Acknowledged != count || stats.Reconnects != 3 {
		t.Errorf("%+v", stats)
	}
	stored.expect(t, wanted)
	for stream := range 4 {
		if found := <-resent; found != (stream > 0) {
			t.Errorf("the first chunk of stream %d says resent: %t", stream+1, found)
		}
	}
}

func TestNoMoreChunksAreUnansweredThanTheServerAllows(t *testing.T) {
	const count, allowed = 3000, 3
	var stored taken
	odd := serve(t, func(_ int, conversation conversation) error {
		if err := welcome(conversation, allowed); err != nil {
			return err
		}
		chunks := make(chan *flowtrailv1.Chunk)
		go func() {
			defer close(chunks)
			for {
				request, err := conversation.Recv()
				if err != nil {
					return
				}
				chunks <- request.GetChunk()
			}
		}()
		var unanswered []*flowtrailv1.Chunk
		for {
			// Answers come when nothing more does.
			select {
			case chunk, more := <-chunks:
				if !more {
					return nil
				}
				stored.take(chunk)
				if unanswered = append(unanswered, chunk); len(unanswered) > allowed {
					t.Errorf("%d chunks are unanswered", len(unanswered))
				}
			case <-time.After(50 * time.Millisecond):
				if len(unanswered) > 0 {
					if err := acknowledge(conversation, unanswered[0]); err != nil {
						return err
					}
					unanswered = unanswered[1:]
				}
			}
		}
	})
	options, _ := options(t, odd.address)
	client := open(t, options)
	var wanted []int32
	for i := range int32(count) {
		record(t, client, step("odd", int(i), kibibyte))
		wanted = append(wanted, i)
	}
	if stats := flush(t, client); stats.Acknowledged != count || stats.Reconnects != 0 {
		t.Errorf("%+v", stats)
	}
	stored.expect(t, wanted)
}
