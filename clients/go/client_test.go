package flowtrail_test

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	flowtrail "github.com/flowtrail/flowtrail/clients/go"
	"github.com/flowtrail/flowtrail/clients/go/flowtrailv1"
	"github.com/flowtrail/flowtrail/clients/go/internal/servertest"
)

func TestAClientOfARunningServer(t *testing.T) {
	server := servertest.Start(t)
	for _, test := range []struct {
		name string
		run  func(*testing.T, *servertest.Server)
	}{
		{"stores what it is given", storesWhatItIsGiven},
		{"hears which events are rejected", hearsRejections},
		{"goes by the toggle", goesByTheToggle},
		{"finds the address that answers", findsTheAddress},
		{"has its events behind it when closed", closes},
		{"drops what finds no room", dropsWhatFindsNoRoom},
		{"waits for room", waitsForRoom},
	} {
		t.Run(test.name, func(t *testing.T) { test.run(t, server) })
	}
}

func storesWhatItIsGiven(t *testing.T, server *servertest.Server) {
	options, _ := options(t, server.Address())
	client := open(t, options)
	at := func(seconds int) *timestamppb.Timestamp {
		return timestamppb.New(began.Add(time.Duration(seconds) * time.Second))
	}
	record(t, client, &flowtrailv1.Event{Kind: &flowtrailv1.Event_Started{Started: &flowtrailv1.FlowStarted{
		InstanceId: "stores-1", StartTime: at(0), EndTime: at(0), FlowName: proto.String("žluť 🐎"),
		Status: proto.String("Created"), OriginalInstanceId: proto.String("stores-0"),
		ParentInstanceId: proto.String("parent"), ParentFlowName: proto.String("of"),
		FlowInput: []byte("in\x00\xff"), Misc: []byte("m"),
	}}})
	first := record(t, client, &flowtrailv1.Event{Kind: &flowtrailv1.Event_Step{Step: &flowtrailv1.StepRecorded{
		InstanceId: "stores-1", StepId: 7, StartTime: at(1), EndTime: at(2), TaskName: proto.String("t"),
		Status: proto.String("Waiting"), FlowName: proto.String("sub"), SubflowId: proto.String("3"),
		Rerun: proto.Bool(true), ParentStepId: proto.String("6"), StepData: []byte("\x00\x01"), Misc: []byte{},
	}}})
	if err := first.Wait(patient(t)); err != nil {
		t.Fatal(err)
	}
	if found := one(t, server, "select count(*) from steps where flowinstanceid = 'stores-1'"); found != "1" {
		t.Fatalf("%s steps are stored after the answer to one", found)
	}
	record(t, client, &flowtrailv1.Event{Kind: &flowtrailv1.Event_Step{Step: &flowtrailv1.StepRecorded{
		InstanceId: "stores-1", StepId: 8, StartTime: at(3),
	}}})
	record(t, client, &flowtrailv1.Event{Kind: &flowtrailv1.Event_Ended{Ended: &flowtrailv1.FlowEnded{
		InstanceId: "stores-1", StartTime: at(0), EndTime: at(5), Status: proto.String("Failed"), FlowOutput: []byte("out"),
	}}})
	stats := flush(t, client)
	wanted := flowtrail.Stats{Recorded: 4, Acknowledged: 4}
	if stats != wanted {
		t.Fatalf("%+v", stats)
	}
	found := server.Query(t, "select * from flowstate where flowinstanceid = 'stores-1'")
	flows := [][]string{{
		"stores-1", "tester", t.Name(), "1.0", "žluť 🐎", "here", "2026-03-01 12:00:00.123456", "2026-03-01 12:00:05.123456",
		"5000.000", "Failed", "parent", "of", `\x6d`, "stores-0", `\x696e00ff`, `\x6f7574`, "0",
	}}
	if !reflect.DeepEqual(found, flows) {
		t.Errorf("flowstate: %q", found)
	}
	found = server.Query(t, "select * from steps where flowinstanceid = 'stores-1' order by stepid")
	const null = servertest.Null
	steps := [][]string{
		{"stores-1", "7", "t", "Waiting", "2026-03-01 12:00:01.123456", "2026-03-01 12:00:02.123456", `\x0001`, "sub", "3", `\x`, "t", "6"},
		{"stores-1", "8", null, null, "2026-03-01 12:00:03.123456", null, null, null, null, null, null, null},
	}
	if !reflect.DeepEqual(found, steps) {
		t.Errorf("steps: %q", found)
	}
}

func hearsRejections(t *testing.T, server *servertest.Server) {
	options, journal := options(t, server.Address())
	client := open(t, options)
	const count = 2000
	wrong := map[int]struct {
		event  *flowtrailv1.Event
		code   flowtrailv1.RejectionCode
		reason string
	}{
		0: {step("", 0, ""), flowtrailv1.RejectionCode_REJECTION_CODE_MISSING_FIELD, "instance_id"},
		700: {
			&flowtrailv1.Event{Kind: &flowtrailv1.Event_Step{Step: &flowtrailv1.StepRecorded{
				InstanceId: "rejected", StartTime: timestamppb.New(began), TaskName: proto.String("a\x00b"),
			}}}, flowtrailv1.RejectionCode_REJECTION_CODE_INVALID_TEXT, "task_name",
		},
		701:  {step(strings.Repeat("i", 513), 1, ""), flowtrailv1.RejectionCode_REJECTION_CODE_TEXT_TOO_LONG, "512"},
		1500: {step("rejected", -1, ""), flowtrailv1.RejectionCode_REJECTION_CODE_INVALID_STEP_ID, "step_id"},
		1999: {&flowtrailv1.Event{}, flowtrailv1.RejectionCode_REJECTION_CODE_UNKNOWN_KIND, "started, step and ended"},
	}
	var receipts []flowtrail.Receipt
	var wanted []string
	for i := range count {
		event := step("rejected", i, fmt.Sprint("content ", i))
		if wrong, found := wrong[i]; found {
			event = wrong.event
		} else {
			wanted = append(wanted, fmt.Sprintf("%d content %d", i, i))
		}
		receipts = append(receipts, record(t, client, event))
	}
	for i, receipt := range receipts {
		err := receipt.Wait(patient(t))
		expected, rejected := wrong[i]
		var rejection *flowtrail.RejectedError
		switch {
		case !rejected && err != nil:
			t.Errorf("event %d: %v", i, err)
		case rejected && !errors.As(err, &rejection):
			t.Errorf("event %d is not rejected: %v", i, err)
		case rejected && (rejection.Code != expected.code || !strings.Contains(rejection.Reason, expected.reason)):
			t.Errorf("event %d: %s %q", i, rejection.Code, rejection.Reason)
		}
	}
	if found := steps(t, server, "rejected"); !slices.Equal(found, wanted) {
		t.Errorf("%d rows instead of %d", len(found), len(wanted))
	}

	// What the client itself cannot send.
	_, err := client.Record(patient(t), step("\xff", 0, ""))
	var rejection *flowtrail.RejectedError
	if !errors.As(err, &rejection) || rejection.Code != flowtrailv1.RejectionCode_REJECTION_CODE_INVALID_TEXT {
		t.Errorf("a text that is no UTF-8: %v", err)
	}
	stats := flush(t, client)
	rejected := uint64(len(wrong) + 1)
	if stats.Recorded != count+1 || stats.Rejected != rejected || stats.Acknowledged != stats.Recorded-rejected {
		t.Errorf("%+v", stats)
	}
	if !strings.Contains(journal.String(), "events are rejected") {
		t.Error("nothing was logged")
	}
}

func goesByTheToggle(t *testing.T, server *servertest.Server) {
	options, _ := options(t, server.Address())
	heard := make(chan bool, 10)
	options.OnPersistence = func(enabled bool) { heard <- enabled }
	client := open(t, options)
	record(t, client, start("toggled-1"))
	flush(t, client)

	set := func(enabled bool) {
		t.Helper()
		one(t, server, fmt.Sprintf(
			"update appstate set persistenceenabled = %t where userid = 'tester' and appname = '%s' returning 1", enabled, t.Name()))
		eventually(t, fmt.Sprintf("recording is %t", enabled), func() bool { return client.Recording() == enabled })
		if said := <-heard; said != enabled {
			t.Fatalf("OnPersistence heard %t", said)
		}
	}
	set(false)
	for _, event := range []*flowtrailv1.Event{step("toggled-1", 1, "x"), start("toggled-2"), step("toggled-2", 1, "x")} {
		if err := record(t, client, event).Wait(patient(t)); err != nil {
			t.Fatal(err)
		}
	}
	client.Skip()
	if stats := client.Stats(); stats.Skipped != 4 || stats.Waiting != 0 {
		t.Fatalf("four starts and steps while it is off: %+v", stats)
	}
	// The end of what began before is stored; of what did not begin there is nothing to complete.
	record(t, client, end("toggled-1"))
	record(t, client, end("toggled-2"))
	if stats := flush(t, client); stats.Acknowledged+stats.Skipped != 7 || stats.Acknowledged < 2 {
		t.Fatalf("two ends while it is off: %+v", stats)
	}
	found := server.Query(t, "select flowinstanceid, status from flowstate where flowinstanceid like 'toggled-%'")
	if !reflect.DeepEqual(found, [][]string{{"toggled-1", "Completed"}}) {
		t.Fatalf("%q", found)
	}

	// Who comes while it is off hears it at once.
	late := open(t, options)
	eventually(t, "a new client knows that it is off", func() bool { return !late.Recording() })
	<-heard

	options.OnPersistence = nil
	set(true)
	eventually(t, "every client knows that it is on", late.Recording)
	record(t, client, step("toggled-1", 2, "on"))
	flush(t, client)
	if found := steps(t, server, "toggled-1"); !slices.Equal(found, []string{"2 on"}) {
		t.Fatalf("%q", found)
	}
}

func findsTheAddress(t *testing.T, server *servertest.Server) {
	options, _ := options(t, "127.0.0.1:1", "no-such-host.invalid:9190", server.Address())
	client := open(t, options)
	if err := record(t, client, start("found")).Wait(patient(t)); err != nil {
		t.Fatal(err)
	}
	if reconnects := client.Stats().Reconnects; reconnects != 0 {
		t.Fatalf("%d reconnects before the first connection", reconnects)
	}
}

func closes(t *testing.T, server *servertest.Server) {
	options, _ := options(t, server.Address())
	options.FlushTime = flowtrail.MaxFlushTime
	client := open(t, options)
	var receipts []flowtrail.Receipt
	for i := range 1000 {
		receipts = append(receipts, record(t, client, step("closed", i, "x")))
	}
	var closing sync.WaitGroup
	for range 3 {
		closing.Add(1)
		go func() {
			defer closing.Done()
			if err := client.Close(patient(t)); err != nil {
				t.Error(err)
			}
		}()
	}
	closing.Wait()
	for _, receipt := range receipts {
		if err := receipt.Wait(patient(t)); err != nil {
			t.Fatal(err)
		}
	}
	if found := len(steps(t, server, "closed")); found != len(receipts) {
		t.Fatalf("%d rows", found)
	}
	if _, err := client.Record(t.Context(), step("closed", 1000, "x")); !errors.Is(err, flowtrail.ErrClosed) {
		t.Fatalf("recorded after Close: %v", err)
	}
	if err := client.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	wanted := flowtrail.Stats{Recorded: 1001, Acknowledged: 1000, Dropped: 1}
	if stats := client.Stats(); stats != wanted {
		t.Fatalf("%+v", stats)
	}
	now, cancel := context.WithCancel(t.Context())
	cancel()
	if err := client.Close(now); err != nil {
		t.Fatalf("closed once more: %v", err)
	}
}
