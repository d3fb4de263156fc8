package main

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"maps"
	"net"

	"github.com/project-flogo/core/app"
	"github.com/project-flogo/core/engine"

	// what flogo.json imports; mappings need the script engine
	_ "github.com/project-flogo/contrib/activity/actreturn"
	_ "github.com/project-flogo/contrib/activity/error"
	_ "github.com/project-flogo/core/data/expression/script"
	_ "github.com/project-flogo/flow"

	_ "github.com/flowtrail/flowtrail/clients/go/enginetest/activity/echo"
	_ "github.com/flowtrail/flowtrail/clients/go/enginetest/activity/pause"
	_ "github.com/flowtrail/flowtrail/clients/go/enginetest/drive"
	"github.com/flowtrail/flowtrail/clients/go/enginetest/restrecorder"
	"github.com/flowtrail/flowtrail/clients/go/enginetest/watch"
)

//go:embed flogo.json
var flogo string

// appConfig is flogo.json, with the activity that calls subflows under the name that its tasks use.
func appConfig() (*app.Config, error) {
	config, err := engine.LoadAppConfig(flogo, false)
	if err != nil {
		return nil, fmt.Errorf("flogo.json: %w", err)
	}
	config.Imports = append(config.Imports, "call "+subflowActivity)
	return config, nil
}

// flowtrailRef names the recorder under test.
const flowtrailRef = "github.com/flowtrail/flowtrail/clients/go/recorder"

// engineConfig is what an engine.json says.
func engineConfig(options options) (string, error) {
	recorder := map[string]any{}
	ref, mode := "", options.mode
	switch options.recorder {
	case "none":
		// the engine fails a flow whose subflow fails when it has a mode and no recorder
		mode = "off"
	case "rest":
		host, port, err := net.SplitHostPort(options.address)
		if err != nil {
			return "", err
		}
		ref = restrecorder.Ref
		recorder["host"], recorder["port"] = host, port
	case "flowtrail":
		ref = flowtrailRef
		recorder["addresses"] = options.address
	}
	maps.Copy(recorder, options.settings)
	config := &engine.Config{
		Name:              "parcels-engine",
		Type:              "flogo:engine",
		RunnerType:        engine.ValueRunnerTypeDirect,
		StopEngineOnError: true,
		ActionSettings: map[string]map[string]any{
			"github.com/project-flogo/flow": {"stateRecordingMode": mode},
		},
	}
	if ref != "" {
		watched := &engine.ServiceConfig{Ref: watch.Ref, Enabled: true, Settings: watch.Settings(ref, recorder)}
		config.Services = append(config.Services, watched)
	}
	text, err := json.Marshal(config)
	return string(text), err
}
