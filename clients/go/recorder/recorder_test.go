package recorder

import (
	"encoding/json"
	"expvar"
	"fmt"
	"math"
	"os"
	"reflect"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/project-flogo/core/support/service"
	"github.com/project-flogo/flow/state"
	"github.com/project-flogo/flow/state/change"
	"github.com/project-flogo/flow/support"

	flowtrail "github.com/flowtrail/flowtrail/clients/go"
	"github.com/flowtrail/flowtrail/clients/go/internal/servertest"
)

// The flow action reads these once.
func TestMain(m *testing.M) {
	for name, value := range map[string]string{
		support.UserName: "tenant", support.AppName: "orders", support.AppVersion: "1.2", support.HostName: "host-7",
	} {
		if err := os.Setenv(name, value); err != nil {
			panic(err)
		}
	}
	os.Exit(m.Run())
}

var began = time.Date(2026, 3, 1, 12, 0, 0, 123_456_789, time.UTC)

// run starts a recorder as an engine does, and stops it with the test.
func run(t *testing.T, given map[string]any) *Recorder {
	t.Helper()
	made, err := service.GetFactory(ref).NewService(&service.Config{Settings: given})
	if err != nil {
		t.Fatal(err)
	}
	if err := made.Start(); err != nil {
		t.Fatal(err)
	}
	recorder := made.(*Recorder)
	t.Cleanup(func() {
		if err := recorder.Stop(); err != nil {
			t.Error(err)
		}
	})
	return recorder
}

func flowOf(instance, status string) *state.FlowState {
	return &state.FlowState{
		FlowInstanceId: instance, FlowName: "flow", FlowStats: status, StartTime: began, EndTime: began.Add(time.Second),
		FlowInputs: map[string]any{"in": "<1>"}, FlowOutputs: map[string]any{"out": 2},
	}
}

func stepOf(instance string, number int, attribute any) *state.Step {
	return &state.Step{
		Id: number, FlowId: instance, StartTime: began, EndTime: began,
		FlowChanges: map[int]*change.Flow{0: {
			FlowURI: "res://flow:flow", TaskId: "task", Attrs: map[string]any{"a": attribute},
			Tasks: map[string]*change.Task{"task": {Status: 40}},
		}},
	}
}

// must takes what the recorder's methods answer: never an error.
func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(servertest.Patience); !holds(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not within %s: %s", servertest.Patience, what)
		}
	}
}

// counted counts how often it is serialised.
type counted struct{ times *atomic.Int32 }

func (c counted) MarshalJSON() ([]byte, error) {
	c.times.Add(1)
	return []byte(`"counted"`), nil
}

func TestARecorderAndARunningServer(t *testing.T) {
	server := servertest.Start(t)
	// A flush time this long passes only when nobody waits.
	recorder := run(t, map[string]any{"addresses": server.Address(), "wait": "end", "flushTime": "10s"})

	t.Run("the end of a flow returns when it is stored", func(t *testing.T) {
		must(t, recorder.RecordStart(flowOf("ends", "Created")))
		must(t, recorder.RecordStep(stepOf("ends", 0, "ü")))
		must(t, recorder.RecordStep(stepOf("ends", 1, 3)))
		must(t, recorder.RecordSnapshot(&state.Snapshot{Id: "ends"}))
		must(t, recorder.RecordDone(flowOf("ends", "Completed")))
		found := server.Query(t, `select userid, appname, appversion, hostid, flowname, starttime, endtime, status,
			rerunofflowinstanceid, convert_from(flowinput, 'UTF8'), convert_from(flowoutput, 'UTF8')
			from flowstate where flowinstanceid = 'ends'`)
		wanted := []string{"tenant", "orders", "1.2", "host-7", "flow", "2026-03-01 12:00:00.123457", "2026-03-01 12:00:01.123457",
			"Completed", "", `{"in":"\u003c1\u003e"}`, `{"out":2}`}
		if !reflect.DeepEqual(found, [][]string{wanted}) {
			t.Errorf("%q", found)
		}
		found = server.Query(t, `select stepid, taskname, status, flowname, subflowid, rerun, convert_from(stepdata, 'UTF8')
			from steps where flowinstanceid = 'ends' order by stepid`)
		var rows [][]string
		for number, attribute := range []any{"ü", 3} {
			content, err := json.Marshal(stepOf("ends", number, attribute))
			must(t, err)
			rows = append(rows, []string{fmt.Sprint(number), "task", "Completed", "flow", "0", "f", string(content)})
		}
		if !reflect.DeepEqual(found, rows) {
			t.Errorf("%q", found)
		}
	})

	t.Run("what cannot be encoded is left out and the row kept", func(t *testing.T) {
		start, end := flowOf("odd", "Created"), flowOf("odd", "Failed")
		start.FlowInputs["in"], end.FlowOutputs["out"] = func() {}, math.Inf(1)
		must(t, recorder.RecordStart(start))
		must(t, recorder.RecordStep(stepOf("odd", 0, math.NaN())))
		must(t, recorder.RecordStep(stepOf("odd", 1, make(chan int))))
		must(t, recorder.RecordStep(stepOf("odd", 2, "fine")))
		must(t, recorder.RecordDone(end))
		found := server.Query(t, "select status, flowinput, flowoutput from flowstate where flowinstanceid = 'odd'")
		if !reflect.DeepEqual(found, [][]string{{"Failed", servertest.Null, servertest.Null}}) {
			t.Errorf("%q", found)
		}
		found = server.Query(t, `select stepid, taskname, status, stepdata is null from steps where flowinstanceid = 'odd' order by stepid`)
		wanted := [][]string{{"0", "task", "Completed", "t"}, {"1", "task", "Completed", "t"}, {"2", "task", "Completed", "f"}}
		if !reflect.DeepEqual(found, wanted) {
			t.Errorf("%q", found)
		}
	})

	t.Run("nothing is serialised while the app is off", func(t *testing.T) {
		var times atomic.Int32
		flow := flowOf("off", "Created")
		flow.FlowInputs["in"] = counted{&times}
		must(t, recorder.RecordStart(flow))
		must(t, recorder.RecordStep(stepOf("off", 0, counted{&times})))
		must(t, recorder.RecordDone(flowOf("off", "Started")))
		if times.Load() != 2 {
			t.Fatalf("serialised %d times while it is on", times.Load())
		}
		set := func(enabled bool) {
			server.Query(t, fmt.Sprintf("update appstate set persistenceenabled = %t where appname = 'orders' returning 1", enabled))
			eventually(t, "the recorder knows", func() bool { return recorder.client.Load().Recording() == enabled })
		}
		set(false)
		before := recorder.Stats()
		must(t, recorder.RecordStart(flow))
		must(t, recorder.RecordStep(stepOf("off", 1, counted{&times})))
		must(t, recorder.RecordDone(flowOf("off", "Completed")))
		after := recorder.Stats()
		if times.Load() != 2 || after.Skipped != before.Skipped+2 || after.Acknowledged != before.Acknowledged+1 {
			t.Errorf("serialised %d times; %+v", times.Load()-2, after)
		}
		set(true)
		must(t, recorder.RecordStep(stepOf("off", 2, counted{&times})))
		must(t, recorder.RecordDone(flowOf("off", "Completed")))
		if times.Load() != 3 {
			t.Errorf("serialised %d times when it is on again", times.Load())
		}
		found := server.Query(t, "select flowstate.status, stepid from flowstate join steps using (flowinstanceid) where flowinstanceid = 'off' order by stepid")
		if !reflect.DeepEqual(found, [][]string{{"Completed", "0"}, {"Completed", "2"}}) {
			t.Errorf("%q", found)
		}
	})

	t.Run("its counts are shown", func(t *testing.T) {
		var shown map[string]uint64
		must(t, json.Unmarshal([]byte(expvar.Get(ExpvarName).String()), &shown))
		stats := recorder.Stats()
		if !reflect.DeepEqual(shown, counts(stats)) || len(shown) != reflect.TypeOf(stats).NumField() || stats.Recorded == 0 {
			t.Errorf("%v, and there are %+v", shown, stats)
		}
	})
}

func TestAFlowRunsOnWithoutAServer(t *testing.T) {
	recorder := run(t, map[string]any{
		"addresses": "127.0.0.1:1", "budget": "1MiB", "onFull": "drop", "stopTimeout": "50ms",
	})
	for i := range 3000 {
		must(t, recorder.RecordStep(stepOf("away", i, strings.Repeat("x", 1000))))
	}
	must(t, recorder.RecordDone(flowOf("away", "Completed")))
	stats := recorder.Stats()
	if stats.Recorded != 3001 || stats.Dropped < 1000 || stats.Waiting+stats.Dropped != 3001 || stats.WaitingBytes > 1<<20 {
		t.Errorf("%+v", stats)
	}
	err := recorder.Stop()
	wanted := fmt.Sprintf("flowtrail: closed with %d events not acknowledged: context deadline exceeded", stats.Waiting)
	if err == nil || err.Error() != wanted {
		t.Errorf("stopped: %v", err)
	}
	must(t, recorder.RecordStart(flowOf("late", "Created")))
	if stats := recorder.Stats(); stats.Dropped != 3002 {
		t.Errorf("%+v", stats)
	}
}

func TestARecorderThatDoesNotRunTakesNothing(t *testing.T) {
	made, err := service.GetFactory(ref).NewService(&service.Config{})
	must(t, err)
	recorder := made.(*Recorder)
	must(t, recorder.RecordStart(flowOf("early", "Created")))
	must(t, recorder.RecordStep(stepOf("early", 0, 1)))
	must(t, recorder.RecordDone(flowOf("early", "Completed")))
	must(t, recorder.Stop())
	if stats := recorder.Stats(); stats != (flowtrail.Stats{}) {
		t.Errorf("%+v", stats)
	}
	if recorder.Name() != "flowtrail" {
		t.Error(recorder.Name())
	}
}
