// Package flowtrail records what a flow engine does: it streams events to a flowtrail server in the
// background and tells when they are durable.
package flowtrail
