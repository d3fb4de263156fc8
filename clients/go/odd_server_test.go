package flowtrail_test

import (
	"net"
	"sync/atomic"
	"testing"

	"google.golang.org/grpc"

	"github.com/flowtrail/flowtrail/clients/go/flowtrailv1"
)

type conversation = grpc.BidiStreamingServer[flowtrailv1.RecordRequest, flowtrailv1.RecordResponse]

// oddServer does what a real server cannot be made to do.
type oddServer struct {
	flowtrailv1.UnimplementedRecorderServer
	converse func(stream int, conversation conversation) error
	address  string
	streams  atomic.Int32
}

// serve answers streams, numbered from 1, with a function of the test's own.
func serve(t *testing.T, converse func(stream int, conversation conversation) error) *oddServer {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	odd := &oddServer{converse: converse, address: listener.Addr().String()}
	server := grpc.NewServer()
	flowtrailv1.RegisterRecorderServer(server, odd)
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	t.Cleanup(func() {
		server.Stop()
		if err := <-served; err != nil {
			t.Error(err)
		}
	})
	return odd
}

func (s *oddServer) Record(conversation conversation) error {
	return s.converse(int(s.streams.Add(1)), conversation)
}

// welcome hears the hello and answers it.
func welcome(conversation conversation, unanswered uint32) error {
	if _, err := conversation.Recv(); err != nil {
		return err
	}
	return conversation.Send(&flowtrailv1.RecordResponse{Message: &flowtrailv1.RecordResponse_Welcome{
		Welcome: &flowtrailv1.Welcome{
			PersistenceEnabled: true, MaxChunkBytes: 1 << 20, MaxEventBytes: 1 << 20, MaxChunkEvents: 10_000,
			MaxUnansweredChunks: unanswered,
		},
	}})
}

func acknowledge(conversation conversation, chunk *flowtrailv1.Chunk) error {
	return conversation.Send(&flowtrailv1.RecordResponse{Message: &flowtrailv1.RecordResponse_Ack{
		Ack: &flowtrailv1.Ack{ThroughSequence: chunk.GetSequence(), Recorded: uint64(len(chunk.GetEvents()))},
	}})
}

// answerAll acknowledges chunks that may be taken until the client ends the stream.
func answerAll(conversation conversation, take func(*flowtrailv1.Chunk) error) error {
	for {
		request, err := conversation.Recv()
		if err != nil {
			return nil
		}
		if err := take(request.GetChunk()); err != nil {
			return err
		}
		if err := acknowledge(conversation, request.GetChunk()); err != nil {
			return err
		}
	}
}
