// Package drive is a trigger that runs flows when the program says so: one handler for each flow.
package drive

import (
	"context"
	"fmt"
	"sync"

	"github.com/project-flogo/core/trigger"
)

// Trigger keeps the handlers of the running app.
type Trigger struct{}

type factory struct{}

var (
	mutex    sync.RWMutex
	handlers = map[string]trigger.Handler{}
)

func init() {
	if err := trigger.Register(&Trigger{}, factory{}); err != nil {
		panic(err)
	}
}

// Metadata tells that it has no settings.
func (factory) Metadata() *trigger.Metadata {
	return trigger.NewMetadata()
}

// New makes the trigger of an app.
func (factory) New(*trigger.Config) (trigger.Trigger, error) {
	return &Trigger{}, nil
}

// Initialize takes the handlers, each by its name.
func (*Trigger) Initialize(ctx trigger.InitContext) error {
	mutex.Lock()
	defer mutex.Unlock()
	for _, handler := range ctx.GetHandlers() {
		handlers[handler.Name()] = handler
	}
	return nil
}

// Start has nothing to start.
func (*Trigger) Start() error {
	return nil
}

// Stop has nothing to stop.
func (*Trigger) Stop() error {
	return nil
}

// Run runs the flow of a handler and answers with what the flow returned, or its error. The engine's
// runner waits until the action says it is done, which a flow says as its very last deed, after the
// recorder has returned from its end; so a flow that this function has run is recorded.
func Run(ctx context.Context, name string, inputs map[string]any) (map[string]any, error) {
	mutex.RLock()
	handler, known := handlers[name]
	mutex.RUnlock()
	if !known {
		return nil, fmt.Errorf("no handler %s in flogo.json", name)
	}
	return handler.Handle(ctx, inputs)
}
