package main

import (
	"os"
	"testing"

	"github.com/project-flogo/core/engine"
)

// What the engine reads while it is initialised is set before that.
func TestTheEngineStartsWithOurDefaults(t *testing.T) {
	for _, name := range []string{"FLOGO_FLOW_SM_ENDPOINT", "FLOGO_LOG_LEVEL"} {
		if os.Getenv(name) == "" {
			t.Errorf("%s is not set", name)
		}
	}
}

func TestWrongFlagsAreNamed(t *testing.T) {
	for _, words := range [][]string{
		{"-recorder", "paper"},
		{"-address", "nowhere"},
		{"-scenario", "none"},
		{"-concurrency", "0"},
		{"-setting", "novalue"},
		{"-rerun", "instance"},
		{"-rerun", "instance@0"},
		{"stray"},
	} {
		if _, err := parse(words); err == nil {
			t.Errorf("%v: no error", words)
		}
	}
}

func TestTheRecorderIsWatched(t *testing.T) {
	options, err := parse([]string{"-recorder", "rest", "-address", "there:9190", "-setting", "port=9191"})
	if err != nil {
		t.Fatal(err)
	}
	text, err := engineConfig(options)
	if err != nil {
		t.Fatal(err)
	}
	config, err := engine.LoadEngineConfig(text, false)
	if err != nil {
		t.Fatal(err)
	}
	inner, _ := config.Services[0].Settings["settings"].(map[string]any)
	if inner["host"] != "there" || inner["port"] != "9191" {
		t.Errorf("%v", config.Services[0].Settings)
	}
}
