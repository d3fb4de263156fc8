package flowtrail

import (
	"errors"
	"fmt"

	"github.com/flowtrail/flowtrail/clients/go/flowtrailv1"
)

var (
	// ErrClosed is the answer to what is recorded on a client that was closed.
	ErrClosed = errors.New("flowtrail: the client is closed")
	// ErrDropped is the answer to an event for which the budget had no room.
	ErrDropped = errors.New("flowtrail: the budget is used up; the event is dropped")
)

// RejectedError says why an event will never be stored as it is.
type RejectedError struct {
	// Code is unspecified where the client, or a refusal of the whole stream, rejected the event.
	Code flowtrailv1.RejectionCode
	// Reason is one sentence naming the field and the remedy.
	Reason string
}

func (e *RejectedError) Error() string {
	return "flowtrail: the event is rejected: " + e.Reason
}

func tooLarge(size, most int) *RejectedError {
	return &RejectedError{
		Code: flowtrailv1.RejectionCode_REJECTION_CODE_EVENT_TOO_LARGE,
		Reason: fmt.Sprintf("it has %d bytes and the server takes %d; record less, or raise the server's "+
			"--max-event-bytes and --max-chunk-bytes", size, most),
	}
}

func notEncodable(err error) *RejectedError {
	return &RejectedError{
		Code:   flowtrailv1.RejectionCode_REJECTION_CODE_INVALID_TEXT,
		Reason: fmt.Sprintf("it cannot be encoded: %v", err),
	}
}

// UnacknowledgedError says how many events had no answer when the client was closed. A server may
// have stored some of them.
type UnacknowledgedError struct {
	Events int
	// Cause is why closing did not wait longer.
	Cause error
}

func (e *UnacknowledgedError) Error() string {
	return fmt.Sprintf("flowtrail: closed with %d events not acknowledged: %v", e.Events, e.Cause)
}

func (e *UnacknowledgedError) Unwrap() error {
	return e.Cause
}
