package recorder

import (
	"strconv"
	"strings"

	"github.com/project-flogo/flow/state"
	"github.com/project-flogo/flow/state/change"

	"github.com/flowtrail/flowtrail/clients/go/flowtrailv1"
)

// Statuses of a task that count in its row, and their words.
var countedWords = map[int]string{30: "Waiting", 40: "Completed", 100: "Failed"}

// setColumns derives the columns of a step's row from its changes, as flow-state does.
func setColumns(row *flowtrailv1.StepRecorded, step *state.Step) {
	subflow, changed := changedFlow(step.FlowChanges)
	var task, status, flow string
	if changed != nil {
		task, status = changedTask(changed)
		flow = shortName(changed.FlowURI)
	} else {
		task = queuedTask(step.QueueChanges)
	}
	number := strconv.Itoa(subflow)
	row.TaskName, row.Status, row.FlowName, row.SubflowId = &task, &status, &flow, &number
}

// changedFlow is the flow or subflow that a step is about. Of several it is one of the two with the
// lowest numbers: the call of a subflow belongs to the flow that calls, anything else to the subflow.
func changedFlow(changes map[int]*change.Flow) (int, *change.Flow) {
	const none = -1
	first, second := none, none
	for number, flow := range changes {
		switch {
		case flow == nil:
		case first == none || number < first:
			first, second = number, first
		case second == none || number < second:
			second = number
		}
	}
	if first == none {
		return 0, nil
	}
	if second == none || changes[second].NewFlow {
		return first, changes[first]
	}
	return second, changes[second]
}

// changedTask is the task of a change whose status counts, and the word for it. With concurrent
// execution there can be several: then it is the change's own task, else the one with the least id.
func changedTask(flow *change.Flow) (id, word string) {
	for task, change := range flow.Tasks {
		counted := change != nil && countedWords[change.Status] != ""
		if counted && (word == "" || task == flow.TaskId || id != flow.TaskId && task < id) {
			id, word = task, countedWords[change.Status]
		}
	}
	switch {
	case word != "":
		return id, word
	case flow.NewFlow:
		return flow.TaskId, "Started"
	}
	return flow.TaskId, ""
}

// queuedTask names what a step without a changed flow is about: the task it queues, if it is one.
func queuedTask(changes map[int]*change.Queue) string {
	if len(changes) != 1 {
		return ""
	}
	for _, queued := range changes {
		if queued != nil {
			return queued.TaskId
		}
	}
	return ""
}

// shortName is what follows the last colon: res://flow:intake is intake.
func shortName(uri string) string {
	return uri[strings.LastIndexByte(uri, ':')+1:]
}
