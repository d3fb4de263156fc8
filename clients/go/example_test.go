package flowtrail_test

import (
	"context"
	"fmt"
	"os"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	flowtrail "github.com/flowtrail/flowtrail/clients/go"
	"github.com/flowtrail/flowtrail/clients/go/flowtrailv1"
)

// Records that an instance began, and waits until that is stored.
func Example() {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	event := &flowtrailv1.Event{Kind: &flowtrailv1.Event_Started{Started: &flowtrailv1.FlowStarted{
		InstanceId: "i-1",
		StartTime:  timestamppb.Now(),
		FlowName:   proto.String("order"),
		Status:     proto.String("Created"),
		FlowInput:  []byte(`{"article":"lamp"}`),
	}}}
	record := func() error {
		client, err := flowtrail.New(flowtrail.Options{
			Addresses: []string{"localhost:9190"},
			User:      "acme",
			App:       "orders",
		})
		if err != nil {
			return err
		}
		receipt, err := client.Record(ctx, event)
		if err != nil {
			return err
		}
		if err := receipt.Wait(ctx); err != nil {
			return err
		}
		return client.Close(ctx)
	}
	if err := record(); err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
}
