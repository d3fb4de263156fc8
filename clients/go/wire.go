package flowtrail

import (
	"errors"
	"unicode/utf8"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/flowtrail/flowtrail/clients/go/flowtrailv1"
)

// Steps are most of all events. They are written here, to the bytes that package proto writes, in a
// third of its time; everything else is left to it.

const fieldEventStep = 2

// encoding is an event about to be written.
type encoding struct {
	event *flowtrailv1.Event
	// The event's step, if it is one, and its bytes without tag and length.
	step      *flowtrailv1.StepRecorded
	stepBytes int
	// bytes is the size of the event.
	bytes int
}

func newEncoding(event *flowtrailv1.Event) encoding {
	kind, isStep := event.GetKind().(*flowtrailv1.Event_Step)
	if !isStep || !plain(event, kind.Step) {
		return encoding{event: event, bytes: proto.Size(event)}
	}
	size := stepSize(kind.Step)
	return encoding{event, kind.Step, size, protowire.SizeTag(fieldEventStep) + protowire.SizeBytes(size)}
}

// plain tells whether a step has nothing but the fields that are known here.
func plain(event *flowtrailv1.Event, step *flowtrailv1.StepRecorded) bool {
	return step != nil && len(event.ProtoReflect().GetUnknown()) == 0 && len(step.ProtoReflect().GetUnknown()) == 0
}

// append writes the event. Its error is about a text that is not UTF-8.
func (e encoding) append(b []byte) ([]byte, error) {
	if e.step == nil {
		return proto.MarshalOptions{UseCachedSize: true}.MarshalAppend(b, e.event)
	}
	b = protowire.AppendTag(b, fieldEventStep, protowire.BytesType)
	b = protowire.AppendVarint(b, uint64(e.stepBytes))
	return appendStep(b, e.step)
}

// stepTexts are the texts of a step that may be absent, with their fields, in the order of those.
func stepTexts(s *flowtrailv1.StepRecorded) [5]struct {
	field protowire.Number
	text  *string
} {
	return [5]struct {
		field protowire.Number
		text  *string
	}{{5, s.TaskName}, {6, s.Status}, {7, s.FlowName}, {8, s.SubflowId}, {10, s.ParentStepId}}
}

func stepSize(s *flowtrailv1.StepRecorded) int {
	size := 0
	if s.InstanceId != "" {
		size += 1 + protowire.SizeBytes(len(s.InstanceId))
	}
	if s.StepId != 0 {
		size += 1 + protowire.SizeVarint(uint64(s.StepId))
	}
	for _, time := range [2]*timestamppb.Timestamp{s.StartTime, s.EndTime} {
		if time != nil {
			size += 1 + protowire.SizeBytes(timeSize(time))
		}
	}
	for _, optional := range stepTexts(s) {
		if optional.text != nil {
			size += 1 + protowire.SizeBytes(len(*optional.text))
		}
	}
	if s.Rerun != nil {
		size += 2
	}
	for _, bytes := range [2][]byte{s.StepData, s.Misc} {
		if bytes != nil {
			size += 1 + protowire.SizeBytes(len(bytes))
		}
	}
	return size
}

func appendStep(b []byte, s *flowtrailv1.StepRecorded) ([]byte, error) {
	valid := utf8.ValidString(s.InstanceId)
	if s.InstanceId != "" {
		b = appendText(b, 1, s.InstanceId)
	}
	if s.StepId != 0 {
		b = protowire.AppendTag(b, 2, protowire.VarintType)
		b = protowire.AppendVarint(b, uint64(s.StepId))
	}
	b = appendTime(b, 3, s.StartTime)
	b = appendTime(b, 4, s.EndTime)
	for _, optional := range stepTexts(s) {
		if optional.field == 10 && s.Rerun != nil {
			b = protowire.AppendTag(b, 9, protowire.VarintType)
			b = protowire.AppendVarint(b, protowire.EncodeBool(*s.Rerun))
		}
		if optional.text != nil {
			valid = valid && utf8.ValidString(*optional.text)
			b = appendText(b, optional.field, *optional.text)
		}
	}
	if s.StepData != nil {
		b = protowire.AppendTag(b, 11, protowire.BytesType)
		b = protowire.AppendBytes(b, s.StepData)
	}
	if s.Misc != nil {
		b = protowire.AppendTag(b, 12, protowire.BytesType)
		b = protowire.AppendBytes(b, s.Misc)
	}
	if !valid {
		return b, errors.New("a text of the step is not UTF-8")
	}
	return b, nil
}

func appendText(b []byte, field protowire.Number, text string) []byte {
	return protowire.AppendString(protowire.AppendTag(b, field, protowire.BytesType), text)
}

func timeSize(t *timestamppb.Timestamp) int {
	size := 0
	if t.Seconds != 0 {
		size += 1 + protowire.SizeVarint(uint64(t.Seconds))
	}
	if t.Nanos != 0 {
		size += 1 + protowire.SizeVarint(uint64(t.Nanos))
	}
	return size
}

func appendTime(b []byte, field protowire.Number, t *timestamppb.Timestamp) []byte {
	if t == nil {
		return b
	}
	b = protowire.AppendTag(b, field, protowire.BytesType)
	b = protowire.AppendVarint(b, uint64(timeSize(t)))
	if t.Seconds != 0 {
		b = protowire.AppendTag(b, 1, protowire.VarintType)
		b = protowire.AppendVarint(b, uint64(t.Seconds))
	}
	if t.Nanos != 0 {
		b = protowire.AppendTag(b, 2, protowire.VarintType)
		b = protowire.AppendVarint(b, uint64(t.Nanos))
	}
	return b
}
