// Package defaults sets the environment that an engine reads while its packages are initialised, where
// nobody has set it. Go initialises packages that are ready in the order of their import paths, so this
// one, which needs nothing but os, comes before every package of the engine.
package defaults

import "os"

var values = map[string]string{
	// Only when this is set do flows since 1.6.13 put what activities return into their steps.
	"FLOGO_FLOW_SM_ENDPOINT": "set",
	"FLOGO_LOG_LEVEL":        "WARN",
}

func init() {
	for name, value := range values {
		if os.Getenv(name) == "" {
			// it fails only for a name with a NUL or an equals sign
			_ = os.Setenv(name, value)
		}
	}
}
