package flowtrail

import (
	"errors"
	"testing"
	"time"

	"github.com/flowtrail/flowtrail/clients/go/flowtrailv1"
)

func isReady(p *place) bool {
	select {
	case <-p.ready:
		return true
	default:
		return false
	}
}

func sized(bytes int) encoding {
	return newEncoding(&flowtrailv1.Event{Kind: &flowtrailv1.Event_Step{Step: &flowtrailv1.StepRecorded{
		InstanceId: "i", StepData: make([]byte, bytes),
	}}})
}

// full is an outbox with room for no more than some kilobytes, and an ack for what it holds.
func full(t *testing.T) (*outbox, func()) {
	t.Helper()
	o := newOutbox(MinBudget, Wait, time.Hour)
	o.welcomed(&flowtrailv1.Welcome{})
	for range 2 {
		if _, place, err := o.add(sized(510<<10), nil); place != nil || err != nil {
			t.Fatalf("%v, %v", place, err)
		}
	}
	sequence := uint64(0)
	return o, func() {
		sequence++
		if part, _ := o.next(sequence, time.Now()); part == nil {
			t.Fatal("nothing to send")
		}
		o.acknowledge(&flowtrailv1.Ack{ThroughSequence: sequence})
	}
}

func TestALargeEventIsNotStarvedBySmallOnes(t *testing.T) {
	o, answer := full(t)
	large, small := sized(300<<10), sized(10)
	_, first, _ := o.add(large, nil)
	_, second, _ := o.add(small, nil)
	if first == nil || second == nil {
		t.Fatal("the large one finds room, or the small one overtakes it")
	}
	answer()
	if !isReady(first) || !isReady(second) {
		t.Fatalf("with room for both: %t, %t", isReady(first), isReady(second))
	}
	for place, event := range map[*place]encoding{first: large, second: small} {
		if _, again, err := o.add(event, place); again != nil || err != nil {
			t.Fatalf("%v, %v", again, err)
		}
	}
	if used := o.used; used > MinBudget {
		t.Errorf("%d bytes are used of %d", used, MinBudget)
	}
}

func TestWhoLeavesTheLineLeavesItsRoomToTheNext(t *testing.T) {
	o, answer := full(t)
	_, first, _ := o.add(sized(900<<10), nil)
	_, second, _ := o.add(sized(10), nil)
	answer()
	if isReady(first) || isReady(second) {
		t.Fatal("there is no room for the first yet")
	}
	o.leave(first)
	if !isReady(second) {
		t.Fatal("the second still waits behind nobody")
	}
	before := o.used
	o.leave(second)
	if charged := before - o.used; charged != o.charge(sized(10).bytes) {
		t.Errorf("%d bytes are given back", charged)
	}
}

func TestClosingEndsTheLine(t *testing.T) {
	o, _ := full(t)
	_, place, _ := o.add(sized(900<<10), nil)
	o.close()
	if !isReady(place) {
		t.Fatal("it still waits")
	}
	if _, _, err := o.add(sized(900<<10), place); !errors.Is(err, ErrClosed) {
		t.Errorf("%v", err)
	}
}

func TestWhatIsRefusedAfterItsWaitLeavesItsRoom(t *testing.T) {
	o, answer := full(t)
	_, first, _ := o.add(sized(300<<10), nil)
	_, second, _ := o.add(sized(900<<10), nil)
	answer()
	answer()
	if !isReady(first) || isReady(second) {
		t.Fatal("room for the first alone is expected")
	}
	o.welcomed(&flowtrailv1.Welcome{MaxEventBytes: 1 << 10})
	var rejection *RejectedError
	if _, _, err := o.add(sized(300<<10), first); !errors.As(err, &rejection) {
		t.Fatalf("%v", err)
	}
	if !isReady(second) {
		t.Error("the room is lost")
	}
}

func TestWhatIsAnsweredHoldsNoBytes(t *testing.T) {
	o, _ := full(t)
	part, _ := o.next(1, time.Now())
	if part == nil || len(part.message) == 0 {
		t.Fatal("nothing to send")
	}
	o.acknowledge(&flowtrailv1.Ack{ThroughSequence: 1})
	if part.message != nil || part.chunk.bytes != nil {
		t.Error("its bytes are outside the budget now, and still held")
	}
}
