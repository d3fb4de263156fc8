// The engine itself races: its counters, names and loggers have no locks.
//
//go:build !race

package main

import (
	"context"
	"testing"
)

// Every flow ends as it should on the engine this is built with.
func TestFlowsEndAsTheyShould(t *testing.T) {
	options, err := parse([]string{"-quiet", "-flows", "60"})
	if err != nil {
		t.Fatal(err)
	}
	app, err := newEngine(options)
	if err != nil {
		t.Fatal(err)
	}
	if err := app.Start(); err != nil {
		t.Fatal(err)
	}
	done := newLoad(options, &report{quiet: true}).run(context.Background())
	if err := app.Stop(); err != nil {
		t.Fatal(err)
	}
	if done.Flows != 60 || done.Unexpected != 0 || done.Failed == 0 {
		t.Errorf("%+v", done)
	}
}
