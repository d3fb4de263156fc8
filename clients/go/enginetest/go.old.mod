module github.com/flowtrail/flowtrail/clients/go/enginetest

go 1.24.0

require (
	github.com/flowtrail/flowtrail/clients/go v0.0.0
	github.com/project-flogo/contrib/activity/actreturn v0.10.0
	github.com/project-flogo/contrib/activity/error v0.10.0
	github.com/project-flogo/core v1.6.13
	github.com/project-flogo/flow v1.6.16
)

require (
	github.com/araddon/dateparse v0.0.0-20190622164848-0fb0a474d195 // indirect
	github.com/mohae/deepcopy v0.0.0-20170929034955-c48cc78d4826 // indirect
	go.uber.org/atomic v1.6.0 // indirect
	go.uber.org/multierr v1.5.0 // indirect
	go.uber.org/zap v1.16.0 // indirect
	golang.org/x/net v0.49.0 // indirect
	golang.org/x/sys v0.40.0 // indirect
	golang.org/x/text v0.33.0 // indirect
	google.golang.org/genproto/googleapis/rpc v0.0.0-20260120221211-b8f7ae30c516 // indirect
	google.golang.org/grpc v1.80.0 // indirect
	google.golang.org/protobuf v1.36.11 // indirect
)

replace github.com/flowtrail/flowtrail/clients/go => ../
