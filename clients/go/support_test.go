package flowtrail_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
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

// began is when every instance of these tests began.
var began = time.Date(2026, 3, 1, 12, 0, 0, 123_456_000, time.UTC)

// journal keeps what a client logs.
type journal struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (j *journal) Write(line []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.Write(line)
}

func (j *journal) String() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.String()
}

// options are those of a client whose app is the test.
func options(t *testing.T, address ...string) (flowtrail.Options, *journal) {
	written := &journal{}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("the client logged: %s", written)
		}
	})
	return flowtrail.Options{
		Addresses: address, User: "tester", App: t.Name(), AppVersion: "1.0", Host: "here",
		Log: slog.New(slog.NewTextHandler(written, nil)),
	}, written
}

// open makes a client that is closed with the test, and whose counts have to add up all the time.
func open(t *testing.T, options flowtrail.Options) *flowtrail.Client {
	t.Helper()
	client, err := flowtrail.New(options)
	if err != nil {
		t.Fatal(err)
	}
	ended, watched := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(watched)
		for {
			addUp(t, client, options.Budget)
			select {
			case <-ended:
				return
			case <-time.After(time.Millisecond):
			}
		}
	}()
	t.Cleanup(func() {
		now, cancel := context.WithCancel(context.Background())
		cancel()
		// What it has not sent by now, the test did not want.
		_ = client.Close(now)
		close(ended)
		<-watched
		addUp(t, client, options.Budget)
	})
	return client
}

func addUp(t *testing.T, client *flowtrail.Client, budget int) {
	stats := client.Stats()
	if stats.Recorded != stats.Acknowledged+stats.Skipped+stats.Rejected+stats.Dropped+stats.Waiting {
		t.Errorf("the counts do not add up: %+v", stats)
	}
	if most := uint64(max(budget, flowtrail.MinBudget)); budget > 0 && stats.WaitingBytes > most {
		t.Errorf("%d bytes wait; the budget is %d", stats.WaitingBytes, most)
	}
}

func patient(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), servertest.Patience)
	t.Cleanup(cancel)
	return ctx
}

// eventually waits until something holds.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(servertest.Patience); !holds(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not within %s: %s", servertest.Patience, what)
		}
	}
}

func record(t *testing.T, client *flowtrail.Client, event *flowtrailv1.Event) flowtrail.Receipt {
	t.Helper()
	receipt, err := client.Record(patient(t), event)
	if err != nil {
		t.Fatal(err)
	}
	return receipt
}

func flush(t *testing.T, client *flowtrail.Client) flowtrail.Stats {
	t.Helper()
	if err := client.Flush(patient(t)); err != nil {
		t.Fatal(err)
	}
	return client.Stats()
}

func start(instance string) *flowtrailv1.Event {
	return &flowtrailv1.Event{Kind: &flowtrailv1.Event_Started{Started: &flowtrailv1.FlowStarted{
		InstanceId: instance, StartTime: timestamppb.New(began), FlowName: proto.String("flow"),
		Status: proto.String("Created"), FlowInput: []byte(`{"of":"` + instance + `"}`),
	}}}
}

func step(instance string, number int, content string) *flowtrailv1.Event {
	return &flowtrailv1.Event{Kind: &flowtrailv1.Event_Step{Step: &flowtrailv1.StepRecorded{
		InstanceId: instance, StepId: int32(number), StartTime: timestamppb.New(began), StepData: []byte(content),
	}}}
}

func end(instance string) *flowtrailv1.Event {
	return &flowtrailv1.Event{Kind: &flowtrailv1.Event_Ended{Ended: &flowtrailv1.FlowEnded{
		InstanceId: instance, StartTime: timestamppb.New(began), Status: proto.String("Completed"),
		EndTime: timestamppb.New(began.Add(time.Second)),
	}}}
}

// steps are those stored of an instance, in order: number and content.
func steps(t *testing.T, server *servertest.Server, instance string) []string {
	t.Helper()
	var found []string
	for _, row := range server.Query(t, fmt.Sprintf(
		"select stepid, convert_from(stepdata, 'UTF8') from steps where flowinstanceid = '%s' order by stepid::int", instance)) {
		found = append(found, strings.Join(row, " "))
	}
	return found
}

// one is the single value that a query finds.
func one(t *testing.T, server *servertest.Server, query string) string {
	t.Helper()
	rows := server.Query(t, query)
	if len(rows) != 1 || len(rows[0]) != 1 {
		t.Fatalf("%s: %q", query, rows)
	}
	return rows[0][0]
}
