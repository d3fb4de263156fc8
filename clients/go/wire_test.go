package flowtrail

import (
	"bytes"
	"math/rand/v2"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/flowtrail/flowtrail/clients/go/flowtrailv1"
)

func randomStep(r *rand.Rand) *flowtrailv1.StepRecorded {
	text := func() string {
		return []string{"", "a", "Grüße 🚚", string(make([]byte, 200))}[r.IntN(4)]
	}
	optional := func() *string {
		if r.IntN(3) == 0 {
			return nil
		}
		return proto.String(text())
	}
	time := func() *timestamppb.Timestamp {
		return []*timestamppb.Timestamp{
			nil, {}, {Seconds: 1_795_201_236}, {Nanos: 999_999_999}, {Seconds: -62_135_596_800, Nanos: 1}, {Nanos: -1},
		}[r.IntN(6)]
	}
	payload := func() []byte {
		return [][]byte{nil, {}, []byte(`{"id":1}`), make([]byte, 70_000)}[r.IntN(4)]
	}
	return &flowtrailv1.StepRecorded{
		InstanceId: text(), StepId: []int32{0, 1, 127, 128, 1 << 30, -1}[r.IntN(6)], StartTime: time(), EndTime: time(),
		TaskName: optional(), Status: optional(), FlowName: optional(), SubflowId: optional(), ParentStepId: optional(),
		Rerun: []*bool{nil, proto.Bool(false), proto.Bool(true)}[r.IntN(3)], StepData: payload(), Misc: payload(),
	}
}

func TestStepsHaveTheBytesOfPackageProto(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 1))
	for range 5_000 {
		step := randomStep(r)
		event := &flowtrailv1.Event{Kind: &flowtrailv1.Event_Step{Step: step}}
		if r.IntN(10) == 0 {
			unknown := protowire.AppendVarint(protowire.AppendTag(nil, 99, protowire.VarintType), 7)
			step.ProtoReflect().SetUnknown(unknown)
		}
		expected, err := proto.Marshal(event)
		if err != nil {
			t.Fatal(err)
		}
		encoding := newEncoding(event)
		got, err := encoding.append([]byte("before"))
		if err != nil || !bytes.Equal(got, append([]byte("before"), expected...)) || encoding.bytes != len(expected) {
			t.Fatalf("%v, size %d of %d, of %v", err, encoding.bytes, len(expected), step)
		}
	}
}

func TestTextsThatAreNotUTF8AreErrors(t *testing.T) {
	broken := "\xff"
	for _, step := range []*flowtrailv1.StepRecorded{
		{InstanceId: broken}, {TaskName: &broken}, {Status: &broken}, {FlowName: &broken}, {SubflowId: &broken}, {ParentStepId: &broken},
	} {
		event := &flowtrailv1.Event{Kind: &flowtrailv1.Event_Step{Step: step}}
		if _, err := newEncoding(event).append(nil); err == nil {
			t.Errorf("no error: %v", step)
		}
	}
}

func TestEveryFieldOfAStepIsKnownHere(t *testing.T) {
	if fields := (&flowtrailv1.StepRecorded{}).ProtoReflect().Descriptor().Fields().Len(); fields != 12 {
		t.Fatalf("a step has %d fields and wire.go writes 12; write the others too", fields)
	}
}
