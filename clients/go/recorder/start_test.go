package recorder

import (
	"strings"
	"testing"

	"github.com/project-flogo/core/engine"
	"github.com/project-flogo/flow/support"
)

// An engine is not made with a wrong setting; one that is started with it would run on, unrecorded.
func TestNoEngineIsMadeWithAWrongSetting(t *testing.T) {
	t.Setenv(support.AppName, "orders")
	for setting, reason := range map[string]string{
		`"budget": 1`:            "at least 1048576",
		`"budget": "much"`:       "64MiB",
		`"addresses": "nowhere"`: "host:port",
		`"flushTime": "1h"`:      "at most 10s",
		`"adresses": "there:1"`:  "addresses, budget",
	} {
		key, _, _ := strings.Cut(setting, ":")
		config := `{"services": [{"ref": "github.com/flowtrail/flowtrail/clients/go/recorder", "enabled": true,
			"settings": {` + setting + `}}]}`
		app, err := engine.LoadAppConfig(`{"name": "orders", "type": "flogo:app", "version": "1.0.0"}`, false)
		if err != nil {
			t.Fatal(err)
		}
		_, err = engine.New(app, engine.ConfigOption(config, false))
		if err == nil || !strings.Contains(err.Error(), key) || !strings.Contains(err.Error(), reason) {
			t.Errorf("%s: %v", setting, err)
		}
	}
}
