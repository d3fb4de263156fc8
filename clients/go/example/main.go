// Command example is a Flogo app whose flows flowtrail records. README.md says how to run it.
package main

import (
	"fmt"
	"os"

	// what flogo.json imports; mappings need the script engine
	_ "github.com/project-flogo/contrib/activity/actreturn"
	_ "github.com/project-flogo/contrib/activity/error"
	_ "github.com/project-flogo/contrib/activity/log"
	_ "github.com/project-flogo/contrib/trigger/rest"
	_ "github.com/project-flogo/core/data/expression/script"
	_ "github.com/project-flogo/flow"
	_ "github.com/project-flogo/flow/activity/subflow"

	"github.com/project-flogo/core/engine"

	// the recorder that engine.json names
	_ "github.com/flowtrail/flowtrail/clients/go/recorder"
)

func main() {
	made, err := newEngine()
	if err != nil {
		fmt.Fprintln(os.Stderr, "example:", err)
		os.Exit(1)
	}
	os.Exit(engine.RunEngine(made))
}

// newEngine is made of flogo.json and engine.json in the working directory, or where FLOGO_CONFIG_PATH
// and FLOGO_ENG_CONFIG_PATH say.
func newEngine() (engine.Engine, error) {
	app, err := engine.LoadAppConfig("", false)
	if err != nil {
		return nil, err
	}
	return engine.New(app, engine.ConfigOption("", false))
}
