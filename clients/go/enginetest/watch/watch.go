// Package watch is an engine service around a recorder that tells the program what the engine keeps to
// itself: the ends of flows that nobody waits for, and what starting and stopping the recorder said.
// Every call goes to the recorder as it is.
package watch

import (
	"fmt"

	"github.com/project-flogo/core/data/coerce"
	"github.com/project-flogo/core/support/service"
	"github.com/project-flogo/flow/state"
)

// Ref names this service in an engine's configuration.
const Ref = "github.com/flowtrail/flowtrail/clients/go/enginetest/watch"

// Watcher is told what happens.
type Watcher struct {
	// Ended is called when the recorder has returned from the end of an instance.
	Ended func(*state.FlowState)
	// Started and Stopped take what the recorder answered; the engine only logs it.
	Started, Stopped func(error)
}

var watcher Watcher

// Use names who is told. It has to be called before the engine is made.
func Use(who Watcher) {
	watcher = who
}

// Settings of this service for the recorder that ref names, with settings of its own.
func Settings(ref string, settings map[string]any) map[string]any {
	return map[string]any{"ref": ref, "settings": settings}
}

type factory struct{}

type watched struct {
	service.Service
	state.Recorder
}

func init() {
	if err := service.RegisterFactory(factory{}); err != nil {
		panic(err)
	}
}

// NewService makes the recorder that the settings name.
func (factory) NewService(config *service.Config) (service.Service, error) {
	ref, err := coerce.ToString(config.Settings["ref"])
	if err != nil {
		return nil, fmt.Errorf("setting ref: %w", err)
	}
	settings, err := coerce.ToObject(config.Settings["settings"])
	if err != nil {
		return nil, fmt.Errorf("setting settings: %w", err)
	}
	inner := service.GetFactory(ref)
	if inner == nil {
		return nil, fmt.Errorf("no service %s: import its package", ref)
	}
	made, err := inner.NewService(&service.Config{Settings: settings})
	if err != nil {
		return nil, err
	}
	recorder, ok := made.(state.Recorder)
	if !ok {
		return nil, fmt.Errorf("%s is no recorder", ref)
	}
	return &watched{Service: made, Recorder: recorder}, nil
}

func (w *watched) Start() error {
	err := w.Service.Start()
	watcher.Started(err)
	return err
}

func (w *watched) Stop() error {
	err := w.Service.Stop()
	watcher.Stopped(err)
	return err
}

func (w *watched) RecordDone(flow *state.FlowState) error {
	err := w.Recorder.RecordDone(flow)
	watcher.Ended(flow)
	return err
}
