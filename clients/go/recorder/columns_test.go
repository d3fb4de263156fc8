package recorder

import (
	"bufio"
	"encoding/json"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/project-flogo/flow/state"

	"github.com/flowtrail/flowtrail/clients/go/flowtrailv1"
)

// columns are those derived from the changes: task, status, flow, subflow.
func columns(row *flowtrailv1.StepRecorded) [4]string {
	return [4]string{row.GetTaskName(), row.GetStatus(), row.GetFlowName(), row.GetSubflowId()}
}

func TestTheColumnsOfAStepComeFromItsChanges(t *testing.T) {
	const parent = `"0":{"taskId":"call","flowURI":"r:main","tasks":{"call":{"status":30}}}`
	for _, of := range []struct {
		name, step string
		wanted     [4]string
	}{
		{
			"a flow begins", `{"flowChanges":{"0":{"newFlow":true,"flowURI":"res://flow:a:b","taskId":"t","status":100,
			"tasks":{"t":{"status":20}}}}}`, [4]string{"t", "Started", "b", "0"},
		},
		{
			"a flow begins with a task that fails", `{"flowChanges":{"0":{"newFlow":true,"flowURI":"f","taskId":"t",
			"tasks":{"u":{"status":100}}}}}`, [4]string{"u", "Failed", "f", "0"},
		},
		{
			"a task is done", `{"flowChanges":{"3":{"taskId":"t","flowURI":":",
			"tasks":{"t":{"status":40},"next":{"status":20}}}}}`, [4]string{"t", "Completed", "", "3"},
		},
		{
			"the task that counts is another", `{"flowChanges":{"0":{"taskId":"t","flowURI":"res://flow:x",
			"tasks":{"t":{"status":20},"u":{"status":40}}}}}`, [4]string{"u", "Completed", "x", "0"},
		},
		{"a status does not count", `{"flowChanges":{"0":{"taskId":"t","tasks":{"t":{"status":110}}}}}`, [4]string{"t", "", "", "0"}},
		{"a task is skipped", `{"flowChanges":{"0":{"taskId":"t","tasks":{"t":{"status":50}}}}}`, [4]string{"t", "", "", "0"}},
		{"no tasks", `{"flowChanges":{"0":{"taskId":"t","tasks":null}}}`, [4]string{"t", "", "", "0"}},
		{"a task of nothing", `{"flowChanges":{"0":{"taskId":"t","tasks":{"t":null}}}}`, [4]string{"t", "", "", "0"}},
		{
			"concurrent tasks, with its own", `{"flowChanges":{"0":{"taskId":"m",
			"tasks":{"z":{"status":40},"m":{"status":30},"a":{"status":100}}}}}`, [4]string{"m", "Waiting", "", "0"},
		},
		{
			"concurrent tasks, without its own", `{"flowChanges":{"0":{"taskId":"m",
			"tasks":{"z":{"status":40},"m":{"status":20},"b":{"status":100},"c":{"status":40}}}}}`, [4]string{"b", "Failed", "", "0"},
		},
		{"a subflow is called", `{"flowChanges":{"1":{"newFlow":true,"taskId":"calc"},` + parent + `}}`, [4]string{"call", "Waiting", "main", "0"}},
		{
			"a nested subflow is called", `{"flowChanges":{"12":{"newFlow":true,"taskId":"calc"},
			"2":{"taskId":"inner","flowURI":"res://flow:sub","tasks":{"inner":{"status":30}}}}}`,
			[4]string{"inner", "Waiting", "sub", "2"},
		},
		{
			"a subflow ends", `{"flowChanges":{` + parent + `,"10":{"taskId":"ten"},
			"2":{"taskId":"two","flowURI":"r:sub"}}}`, [4]string{"two", "", "sub", "2"},
		},
		{"a flow of nothing", `{"flowChanges":{"0":null,"4":{"taskId":"t"}}}`, [4]string{"t", "", "", "4"}},
		{"no changes", `{}`, [4]string{"", "", "", "0"}},
		{"empty changes", `{"flowChanges":{},"queueChanges":{"7":{"change":0,"taskId":"next"}}}`, [4]string{"next", "", "", "0"}},
		{"changes of nothing", `{"flowChanges":{"3":null},"queueChanges":{"7":null}}`, [4]string{"", "", "", "0"}},
		{"several in the queue", `{"queueChanges":{"7":{"taskId":"a"},"8":{"taskId":"b"}}}`, [4]string{"", "", "", "0"}},
	} {
		step := &state.Step{}
		if err := json.Unmarshal([]byte(of.step), step); err != nil {
			t.Fatalf("%s: %v", of.name, err)
		}
		// A map has another order each time.
		for range 20 {
			row := &flowtrailv1.StepRecorded{}
			if setColumns(row, step); columns(row) != of.wanted {
				t.Fatalf("%s: %q instead of %q", of.name, columns(row), of.wanted)
			}
		}
	}
}

// lines decodes the lines of a file in the repository.
func lines[T any](t *testing.T, path string) []T {
	t.Helper()
	file, err := os.Open(filepath.Join("..", "..", "..", path))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	var found []T
	scanner := bufio.NewScanner(file)
	for scanner.Buffer(nil, 1<<20); scanner.Scan(); {
		var line T
		if err := json.Unmarshal(scanner.Bytes(), &line); err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		found = append(found, line)
	}
	if err := scanner.Err(); err != nil || len(found) == 0 {
		t.Fatalf("%s: %d lines, %v", path, len(found), err)
	}
	return found
}

// storedTime is a time as the tables show it.
const storedTime = "2006-01-02T15:04:05.999999"

func TestRecordedTrafficGivesTheRowsThatWereStored(t *testing.T) {
	type row struct {
		Table, FlowInstanceID, StepID, TaskName, Status, StartTime, EndTime, StepData, FlowName, SubflowID string
		FlowInput, FlowOutput, RerunOfFlowInstanceID                                                       string
		Rerun                                                                                              bool
	}
	steps, flows := map[[2]string]row{}, map[string]row{}
	for _, stored := range lines[row](t, "tests/fixtures/rows.jsonl") {
		if stored.Table == "steps" {
			steps[[2]string{stored.FlowInstanceID, stored.StepID}] = stored
		} else {
			flows[stored.FlowInstanceID] = stored
		}
	}
	starts, ends := 0, 0
	for _, request := range lines[struct{ Path, Body string }](t, "demo/recorder-traffic.jsonl") {
		switch request.Path {
		case "/v1/instances/steps":
			step := &state.Step{}
			if err := json.Unmarshal([]byte(request.Body), step); err != nil {
				t.Fatal(err)
			}
			event, free, err := recorded(step)
			if err != nil {
				t.Fatal(err)
			}
			found := event.GetStep()
			key := [2]string{found.GetInstanceId(), strconv.Itoa(int(found.GetStepId()))}
			stored, known := steps[key]
			delete(steps, key)
			if wanted := [4]string{stored.TaskName, stored.Status, stored.FlowName, stored.SubflowID}; !known || columns(found) != wanted {
				t.Errorf("step %s: %q instead of %q", key, columns(found), wanted)
			}
			if string(found.GetStepData()) != stored.StepData || found.GetRerun() != stored.Rerun {
				t.Errorf("step %s: %s", key, found.GetStepData())
			}
			if at := found.GetStartTime().AsTime(); at.Round(time.Microsecond).Format(storedTime) != stored.StartTime {
				t.Errorf("step %s starts %s instead of %s", key, at, stored.StartTime)
			}
			if at := found.GetEndTime().AsTime(); at.Round(time.Microsecond).Format(storedTime) != stored.EndTime {
				t.Errorf("step %s ends %s instead of %s", key, at, stored.EndTime)
			}
			free()
		case "/v1/instances/start", "/v1/instances/end":
			flow := &state.FlowState{}
			if err := json.Unmarshal([]byte(request.Body), flow); err != nil {
				t.Fatal(err)
			}
			stored := flows[flow.FlowInstanceId]
			if request.Path == "/v1/instances/start" {
				starts++
				event, err := started(flow)
				found := event.GetStarted()
				if err != nil || string(found.GetFlowInput()) != stored.FlowInput || found.GetFlowName() != stored.FlowName ||
					found.GetOriginalInstanceId() != stored.RerunOfFlowInstanceID || found.GetStatus() != "Created" ||
					found.GetStartTime().AsTime().Round(time.Microsecond).Format(storedTime) != stored.StartTime {
					t.Errorf("start of %s: %v, %v", flow.FlowInstanceId, found, err)
				}
				continue
			}
			ends++
			event, err := ended(flow)
			found := event.GetEnded()
			if err != nil || string(found.GetFlowOutput()) != stored.FlowOutput || found.GetStatus() != stored.Status ||
				!found.GetStartTime().AsTime().Equal(flow.StartTime) ||
				found.GetEndTime().AsTime().Round(time.Microsecond).Format(storedTime) != stored.EndTime {
				t.Errorf("end of %s: %v, %v", flow.FlowInstanceId, found, err)
			}
		}
	}
	if len(steps) != 0 || starts != len(flows) || ends != len(flows) {
		t.Errorf("%d steps were stored and not recorded; of %d flows %d started and %d ended", len(steps), len(flows), starts, ends)
	}
}
