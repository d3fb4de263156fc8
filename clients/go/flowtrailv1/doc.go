// Package flowtrailv1 holds the messages and the gRPC stub of a flowtrail server's Recorder service,
// generated from proto/flowtrail/v1/record.proto. Package flowtrail is the client that uses them.
package flowtrailv1
