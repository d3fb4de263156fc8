package recorder

import (
	"sync"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/project-flogo/flow/state"

	"github.com/flowtrail/flowtrail/clients/go/flowtrailv1"
)

// keptBytes is the largest buffer that is used again.
const keptBytes = 1 << 20

var buffers = sync.Pool{New: func() any { return new([]byte) }}

// started makes the event of a start. An error is about the inputs, without which it is still one.
func started(flow *state.FlowState) (*flowtrailv1.Event, error) {
	inputs, err := []byte("{}"), error(nil)
	if flow.FlowInputs != nil {
		inputs, err = payload(flow.FlowInputs)
	}
	return &flowtrailv1.Event{Kind: &flowtrailv1.Event_Started{Started: &flowtrailv1.FlowStarted{
		InstanceId:         flow.FlowInstanceId,
		StartTime:          timestamppb.New(flow.StartTime),
		EndTime:            timestamppb.New(flow.EndTime),
		FlowName:           &flow.FlowName,
		Status:             &flow.FlowStats,
		OriginalInstanceId: &flow.OriginalInstanceId,
		FlowInput:          inputs,
	}}}, err
}

// ended makes the event of an end. An error is about the outputs.
func ended(flow *state.FlowState) (*flowtrailv1.Event, error) {
	var outputs []byte
	var err error
	if flow.FlowOutputs != nil {
		outputs, err = payload(flow.FlowOutputs)
	}
	return &flowtrailv1.Event{Kind: &flowtrailv1.Event_Ended{Ended: &flowtrailv1.FlowEnded{
		InstanceId: flow.FlowInstanceId,
		StartTime:  attempt(flow.StartTime),
		EndTime:    timestamppb.New(flow.EndTime),
		FlowName:   &flow.FlowName,
		Status:     &flow.FlowStats,
		FlowOutput: outputs,
	}}}, err
}

// payload is the JSON of inputs or outputs; nil with an error.
func payload(values map[string]any) ([]byte, error) {
	content, err := appendObject(nil, values)
	if err != nil {
		return nil, err
	}
	return content, nil
}

// attempt is none for an end that does not say when its attempt began: it belongs to the newest.
func attempt(start time.Time) *timestamppb.Timestamp {
	if start.IsZero() {
		return nil
	}
	return timestamppb.New(start)
}

// recorded makes the event of a step around its JSON, which is valid until free is called.
func recorded(step *state.Step) (event *flowtrailv1.Event, free func(), err error) {
	buffer := buffers.Get().(*[]byte)
	content, err := appendStep((*buffer)[:0], step)
	free = func() {
		if *buffer = content; cap(content) <= keptBytes {
			buffers.Put(buffer)
		}
	}
	row := &flowtrailv1.StepRecorded{
		InstanceId: step.FlowId,
		StepId:     int32(step.Id),
		StartTime:  timestamppb.New(step.StartTime),
		EndTime:    timestamppb.New(step.EndTime),
		Rerun:      &step.Rerun,
	}
	setColumns(row, step)
	if err == nil {
		row.StepData = content
	}
	return &flowtrailv1.Event{Kind: &flowtrailv1.Event_Step{Step: row}}, free, err
}
