package servertest

import (
	"context"
	"fmt"
	"io"
	"net"
	"slices"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/flowtrail/flowtrail/clients/go/flowtrailv1"
)

func TestAServerKeepsItsRowsAndItsAddress(t *testing.T) {
	server := Start(t, "--lanes", "1")
	address := server.Address()
	record(t, address, "first")
	expect(t, server, "first")

	server.Kill9()
	if connection, err := net.Dial("tcp", address); err == nil {
		connection.Close()
		t.Fatal("somebody answers for a killed server")
	}
	expect(t, server, "first")

	server.Restart()
	if server.Address() != address {
		t.Fatalf("it was %s and is %s", address, server.Address())
	}
	record(t, address, "second")
	expect(t, server, "first", "second")

	server.Stop()
	server.Restart()
	expect(t, server, "first", "second")

	server.Freeze()
	if server.Ready() {
		t.Fatal("a frozen server says that it is ready")
	}
	expect(t, server, "first", "second")
	server.Thaw()
	server.AwaitReady()

	before, err := server.lockFile()
	if err != nil {
		t.Fatal(err)
	}
	server.KillDatabase()
	for deadline := time.Now().Add(Patience); ; time.Sleep(pause) {
		if after, err := server.lockFile(); err == nil && after.pid != before.pid {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("no new database: %s", server.said())
		}
	}
	server.AwaitReady()
	record(t, address, "third")
	expect(t, server, "first", "second", "third")

	server.Freeze()
	server.Kill9()
	server.Restart()
}

func TestAQueryKeepsEveryTextAsItIs(t *testing.T) {
	server := Start(t)
	found := server.Query(t, `select null, '', E'a\tb\nc\\d\re\\N', '\N', '\x00ff'::bytea, true, 'žluťoučký 🐎' -- so;`)
	wanted := []string{Null, "", "a\tb\nc\\d\re\\N", `\N`, `\x00ff`, "t", "žluťoučký 🐎"}
	if len(found) != 1 || !slices.Equal(found[0], wanted) {
		t.Fatalf("wanted %q, found %q", wanted, found)
	}
	if none := server.Query(t, "select 1 where false"); len(none) != 0 {
		t.Fatalf("a query without rows: %q", none)
	}
}

// expect compares the instances stored.
func expect(t *testing.T, server *Server, wanted ...string) {
	t.Helper()
	var found []string
	for _, row := range server.Query(t, "select flowinstanceid from flowstate order by starttime, 1;") {
		found = append(found, row...)
	}
	if !slices.Equal(found, wanted) {
		t.Fatalf("wanted %q, found %q", wanted, found)
	}
}

// record has the start of an instance committed.
func record(t *testing.T, address, instance string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), Patience)
	defer cancel()
	if err := recordStart(ctx, address, instance); err != nil {
		t.Fatal(err)
	}
}

func recordStart(ctx context.Context, address, instance string) error {
	connection, err := grpc.NewClient(address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return err
	}
	defer connection.Close()
	stream, err := flowtrailv1.NewRecorderClient(connection).Record(ctx)
	if err != nil {
		return err
	}
	hello := &flowtrailv1.Hello{User: "u", App: "a", AppVersion: "1", Host: "h", Client: "servertest"}
	start := &flowtrailv1.FlowStarted{InstanceId: instance, StartTime: timestamppb.Now()}
	chunk := &flowtrailv1.Chunk{Sequence: 1, Events: []*flowtrailv1.Event{
		{Kind: &flowtrailv1.Event_Started{Started: start}},
	}}
	for _, request := range []*flowtrailv1.RecordRequest{
		{Message: &flowtrailv1.RecordRequest_Hello{Hello: hello}},
		{Message: &flowtrailv1.RecordRequest_Chunk{Chunk: chunk}},
	} {
		if err := stream.Send(request); err != nil {
			return err
		}
	}
	if err := stream.CloseSend(); err != nil {
		return err
	}
	var recorded uint64
	for {
		response, err := stream.Recv()
		if err == io.EOF {
			break
		}
		if err != nil {
			return err
		}
		recorded += response.GetAck().GetRecorded()
	}
	if recorded != 1 {
		return fmt.Errorf("%d events recorded instead of 1", recorded)
	}
	return nil
}
