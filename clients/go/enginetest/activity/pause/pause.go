// Package pause is an activity that takes its time.
package pause

import (
	"time"

	"github.com/project-flogo/core/activity"
	"github.com/project-flogo/core/data/coerce"
)

// Input of a task.
type Input struct {
	// Milliseconds is how long it takes.
	Milliseconds int `md:"milliseconds,required"`
}

// Activity waits, and holds up its flow.
type Activity struct{}

var metadata = activity.ToMetadata(&Input{})

func init() {
	if err := activity.Register(&Activity{}); err != nil {
		panic(err)
	}
}

// Metadata tells the input.
func (*Activity) Metadata() *activity.Metadata {
	return metadata
}

// Eval waits. Its error is about the input.
func (*Activity) Eval(ctx activity.Context) (bool, error) {
	milliseconds, err := coerce.ToInt(ctx.GetInput("milliseconds"))
	if err != nil {
		return false, err
	}
	time.Sleep(time.Duration(milliseconds) * time.Millisecond)
	return true, nil
}
