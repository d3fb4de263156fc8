package flowtrail

import (
	"fmt"

	"google.golang.org/grpc/mem"
	"google.golang.org/protobuf/proto"
)

// codec sends parts as they are, since their events were encoded when they were recorded. Every
// other message is encoded as usual.
type codec struct{}

func (codec) Name() string {
	return "proto"
}

func (codec) Marshal(message any) (mem.BufferSlice, error) {
	switch message := message.(type) {
	case *part:
		return mem.BufferSlice{mem.SliceBuffer(message.header()), mem.SliceBuffer(message.message)}, nil
	case proto.Message:
		encoded, err := proto.Marshal(message)
		return mem.BufferSlice{mem.SliceBuffer(encoded)}, err
	}
	return nil, fmt.Errorf("%T is no message", message)
}

func (codec) Unmarshal(data mem.BufferSlice, message any) error {
	into, ok := message.(proto.Message)
	if !ok {
		return fmt.Errorf("%T is no message", message)
	}
	return proto.Unmarshal(data.Materialize(), into)
}
