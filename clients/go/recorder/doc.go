// Package recorder records the flows of a Flogo app with flowtrail.
//
// Importing it registers an engine service whose ref is the path of this package. Where engine.json
// has that service enabled, the flow action finds it and reports every start, step and end to it:
//
//	"services": [
//	  {
//	    "name": "history",
//	    "ref": "github.com/flowtrail/flowtrail/clients/go/recorder",
//	    "enabled": true,
//	    "settings": { "addresses": "localhost:9190" }
//	  }
//	]
//
// Steps are reported in the modes debugger, step and full of the action's stateRecordingMode.
// Snapshots are not sent: flowtrail makes them from the steps.
//
// A flow never fails because of its history. Events are encoded on the flow's goroutine and sent in
// the background; see Settings for what happens when a server does not keep up, and Stats for what
// became of the events.
package recorder
