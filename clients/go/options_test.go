package flowtrail_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	flowtrail "github.com/flowtrail/flowtrail/clients/go"
)

func TestAWrongOptionIsNamed(t *testing.T) {
	long := strings.Repeat("x", 513)
	for _, wrong := range []struct {
		option, reason string
		change         func(*flowtrail.Options)
	}{
		{"Addresses", "no address", func(o *flowtrail.Options) { o.Addresses = nil }},
		{"Addresses", `"localhost" is not host:port`, func(o *flowtrail.Options) { o.Addresses = []string{"a:1", "localhost"} }},
		{"Addresses", `":9190"`, func(o *flowtrail.Options) { o.Addresses = []string{":9190"} }},
		{"Addresses", `"a:"`, func(o *flowtrail.Options) { o.Addresses = []string{"a:"} }},
		{"Addresses", `"http://a:1"`, func(o *flowtrail.Options) { o.Addresses = []string{"http://a:1"} }},
		{"Addresses", `"a:1/x"`, func(o *flowtrail.Options) { o.Addresses = []string{"a:1/x"} }},
		{"User", "empty", func(o *flowtrail.Options) { o.User = "" }},
		{"User", "513 bytes", func(o *flowtrail.Options) { o.User = long }},
		{"App", "empty", func(o *flowtrail.Options) { o.App = "" }},
		{"App", "NUL", func(o *flowtrail.Options) { o.App = "a\x00" }},
		{"AppVersion", "UTF-8", func(o *flowtrail.Options) { o.AppVersion = "\xff" }},
		{"Host", "513 bytes", func(o *flowtrail.Options) { o.Host = long }},
		{"Budget", "at least 1048576", func(o *flowtrail.Options) { o.Budget = flowtrail.MinBudget - 1 }},
		{"Budget", "-1 bytes", func(o *flowtrail.Options) { o.Budget = -1 }},
		{"FlushTime", "at most 10s", func(o *flowtrail.Options) { o.FlushTime = 11 * time.Second }},
		{"FlushTime", "-1ns", func(o *flowtrail.Options) { o.FlushTime = -1 }},
		{"OnFull", "2 is neither", func(o *flowtrail.Options) { o.OnFull = 2 }},
	} {
		options, _ := options(t, "127.0.0.1:1")
		wrong.change(&options)
		client, err := flowtrail.New(options)
		var found *flowtrail.OptionError
		if client != nil || !errors.As(err, &found) || found.Option != wrong.option || !strings.Contains(err.Error(), wrong.reason) {
			t.Errorf("%s, %s: %v", wrong.option, wrong.reason, err)
		}
	}
}

func TestAClientWithNothingToSayIsClosedAtOnce(t *testing.T) {
	options, _ := options(t, "127.0.0.1:1")
	for _, log := range []bool{true, false} {
		if !log {
			options.Log = nil
		}
		client, err := flowtrail.New(options)
		if err != nil {
			t.Fatal(err)
		}
		if err := client.Close(patient(t)); err != nil {
			t.Fatal(err)
		}
		if stats := client.Stats(); stats != (flowtrail.Stats{}) {
			t.Fatalf("%+v", stats)
		}
	}
}
