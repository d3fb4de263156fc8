package recorder

import (
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/project-flogo/core/support/service"

	flowtrail "github.com/flowtrail/flowtrail/clients/go"
)

const ref = "github.com/flowtrail/flowtrail/clients/go/recorder"

func TestWithoutSettingsTheDefaultsApply(t *testing.T) {
	for _, given := range []map[string]any{nil, {}, {"budget": "", "tls": nil, "addresses": " "}} {
		found, err := ParseSettings(given)
		wanted := Settings{
			Addresses: []string{"localhost:9190"}, Budget: 64 << 20, FlushTime: 20 * time.Millisecond,
			StopTimeout: 10 * time.Second,
		}
		if err != nil || !reflect.DeepEqual(found, wanted) {
			t.Errorf("%v: %+v, %v", given, found, err)
		}
	}
}

func TestEverySettingIsRead(t *testing.T) {
	for _, of := range []struct {
		key, text string
		found     func(Settings) any
		wanted    any
	}{
		{"addresses", "a:1, b:2", func(s Settings) any { return s.Addresses }, []string{"a:1", "b:2"}},
		{"budget", "67108865", func(s Settings) any { return s.Budget }, 67_108_865},
		{"budget", "3KiB", func(s Settings) any { return s.Budget }, 3 << 10},
		{"budget", "128MiB", func(s Settings) any { return s.Budget }, 128 << 20},
		{"budget", "2 GiB", func(s Settings) any { return s.Budget }, 2 << 30},
		{"onFull", "wait", func(s Settings) any { return s.OnFull }, flowtrail.Wait},
		{"onFull", "drop", func(s Settings) any { return s.OnFull }, flowtrail.Drop},
		{"flushTime", "1ms", func(s Settings) any { return s.FlushTime }, time.Millisecond},
		{"wait", "none", func(s Settings) any { return s.WaitForEnd }, false},
		{"wait", "end", func(s Settings) any { return s.WaitForEnd }, true},
		{"stopTimeout", "1m", func(s Settings) any { return s.StopTimeout }, time.Minute},
		{"tls", "on", func(s Settings) any { return s.TLS != nil }, true},
		{"tls", "off", func(s Settings) any { return s.TLS != nil }, false},
		{"tlsServerName", "name", func(s Settings) any { return s.TLS.ServerName }, "name"},
	} {
		t.Run(of.key+" "+of.text, func(t *testing.T) {
			check := func(given map[string]any) {
				t.Helper()
				settings, err := ParseSettings(given)
				if err != nil {
					t.Fatal(err)
				}
				if found := of.found(settings); !reflect.DeepEqual(found, of.wanted) {
					t.Fatalf("%v instead of %v", found, of.wanted)
				}
			}
			check(map[string]any{of.key: of.text})
			// The variable wins, over something wrong as well.
			t.Setenv(Variables[of.key], of.text)
			check(map[string]any{of.key: "nonsense"})
			check(nil)
		})
	}
	settings, err := ParseSettings(map[string]any{
		"addresses": []any{"a:1", "b:2"}, "budget": float64(2 << 20), "flushTime": json.Number("1") + "s",
	})
	if err != nil || !slices.Equal(settings.Addresses, []string{"a:1", "b:2"}) || settings.Budget != 2<<20 || settings.FlushTime != time.Second {
		t.Fatalf("%+v, %v", settings, err)
	}
}

func TestEveryVariableIsNamedAfterItsSetting(t *testing.T) {
	for key, variable := range Variables {
		name := ""
		for _, letter := range key {
			if letter >= 'A' && letter <= 'Z' {
				name += "_"
			}
			name += strings.ToUpper(string(letter))
		}
		if variable != "FLOWTRAIL_RECORDER_"+name {
			t.Errorf("%s: %s", key, variable)
		}
	}
}

func TestAWrongSettingFailsTheStartAndIsNamed(t *testing.T) {
	empty := filepath.Join(t.TempDir(), "empty.pem")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, wrong := range []struct{ key, text, reason string }{
		{"addresses", "localhost", `"localhost" is not host:port`},
		{"addresses", "a:1,,b:2", `"" is not host:port`},
		{"tls", "yes", `"yes" is none of off, on`},
		{"tlsCa", "/no/such.pem", "/no/such.pem"},
		{"tlsCa", empty, "no certificate in"},
		{"budget", "64MB", `"64MB" is no size above zero such as`},
		{"budget", "-1", `"-1" is no size`},
		{"budget", "0", `"0" is no size`},
		{"budget", "1KiB", "1024 bytes; give at least 1048576"},
		{"onFull", "block", `"block" is none of drop, wait`},
		{"flushTime", "20", `"20" is no time above zero such as 20ms`},
		{"flushTime", "0s", `"0s" is no time`},
		{"flushTime", "1h", "1h0m0s; give more than 0 and at most 10s"},
		{"wait", "always", `"always" is none of end, none`},
		{"stopTimeout", "-1s", `"-1s" is no time`},
	} {
		t.Run(wrong.key+" "+wrong.text, func(t *testing.T) {
			check := func(given map[string]any, wanted string) {
				t.Helper()
				err := startedWith(given)
				if err == nil || !strings.HasPrefix(err.Error(), "flowtrail recorder: "+wanted) || !strings.Contains(err.Error(), wrong.reason) {
					t.Fatalf("instead of %s: ...%s...: %v", wanted, wrong.reason, err)
				}
			}
			check(map[string]any{wrong.key: wrong.text}, `setting "`+wrong.key+`": `)
			t.Setenv(Variables[wrong.key], wrong.text)
			check(nil, `setting "`+wrong.key+`" (from `+Variables[wrong.key]+`): `)
		})
	}
	for _, wrong := range []struct {
		given  map[string]any
		wanted string
	}{
		{map[string]any{"adresses": "a:1"}, `setting "adresses": there is none of that name; there are addresses, budget, `},
		{map[string]any{"addresses": []any{}}, `setting "addresses": no address`},
		{map[string]any{"addresses": []any{"a:1", map[string]any{"b": make(chan int)}}}, `setting "addresses": an item of the list is not a text`},
		{map[string]any{"budget": make(chan int)}, `setting "budget": not a text`},
		{map[string]any{"budget": true}, `setting "budget": "true" is no size`},
		{map[string]any{"tlsCert": "c.pem"}, `setting "tlsKey": not set, but tlsCert is`},
		{map[string]any{"tlsKey": "k.pem"}, `setting "tlsCert": not set, but tlsKey is`},
		{map[string]any{"tlsCert": empty, "tlsKey": empty}, `setting "tlsCert": `},
		{map[string]any{"tls": "off", "tlsServerName": "x"}, `setting "tls": off, but`},
	} {
		err := startedWith(wrong.given)
		if err == nil || !strings.HasPrefix(err.Error(), "flowtrail recorder: "+wrong.wanted) {
			t.Errorf("instead of %s: %v", wrong.wanted, err)
		}
	}
}

// startedWith starts a recorder as the engine does and answers why that failed.
func startedWith(given map[string]any) error {
	recorder, err := service.GetFactory(ref).NewService(&service.Config{Settings: given})
	if err != nil {
		return err
	}
	if err := recorder.Start(); err != nil {
		return err
	}
	return recorder.Stop()
}
