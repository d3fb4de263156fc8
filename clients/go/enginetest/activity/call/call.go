// Package call is an activity that calls another flow. It stands in for the subflow activity of
// project-flogo/flow where no version of that fits the flow module the app is built with.
package call

import (
	"fmt"
	"sync"

	"github.com/project-flogo/core/activity"
	"github.com/project-flogo/core/data/metadata"
	"github.com/project-flogo/flow/instance"
)

// Settings of a task that calls a flow.
type Settings struct {
	// FlowURI names the flow, such as "res://flow:inner".
	FlowURI string `md:"flowURI,required"`
	// Detached starts the flow as an instance of its own and does not wait for it.
	Detached bool `md:"detached"`
}

// Activity calls one flow: its inputs are the flow's inputs, its outputs what the flow returns.
type Activity struct {
	settings Settings
	mutex    sync.Mutex
	metadata *activity.Metadata
	complete bool
}

var plain = activity.ToMetadata(&Settings{})

func init() {
	if err := activity.Register(&Activity{}, newActivity); err != nil {
		panic(err)
	}
}

func newActivity(ctx activity.InitContext) (activity.Activity, error) {
	var settings Settings
	if err := metadata.MapToStruct(ctx.Settings(), &settings, true); err != nil {
		return nil, fmt.Errorf("task %s: %w", ctx.Name(), err)
	}
	return &Activity{settings: settings, metadata: activity.ToMetadata(&Settings{})}, nil
}

// Metadata tells the inputs and outputs: those of the called flow. That may be loaded after the flow
// that calls it, and the engine keeps what it was told first, so this fills in what it has told.
func (a *Activity) Metadata() *activity.Metadata {
	if a.metadata == nil {
		return plain
	}
	a.mutex.Lock()
	defer a.mutex.Unlock()
	if !a.complete {
		if called, err := instance.GetFlowIOMetadata(a.settings.FlowURI); err == nil {
			a.metadata.IOMetadata, a.complete = called, true
		}
	}
	return a.metadata
}

// Eval starts the flow. A detached one makes the task done at once, another one when it has ended.
func (a *Activity) Eval(ctx activity.Context) (bool, error) {
	inputs := make(map[string]any)
	if declared := a.Metadata().IOMetadata; declared != nil {
		for name := range declared.Input {
			inputs[name] = ctx.GetInput(name)
		}
	}
	if a.settings.Detached {
		return true, instance.StartDetachedSubFlow(ctx, a.settings.FlowURI, inputs)
	}
	return false, instance.StartSubFlow(ctx, a.settings.FlowURI, inputs)
}
