module github.com/flowtrail/flowtrail/clients/go

go 1.24.0

require (
	github.com/project-flogo/core v1.6.4
	github.com/project-flogo/flow v1.6.8
	google.golang.org/grpc v1.80.0
	google.golang.org/protobuf v1.36.11
)
