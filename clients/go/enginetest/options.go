package main

import (
	"flag"
	"fmt"
	"net"
	"runtime"
	"slices"
	"strings"
	"time"
)

// options are the command line.
type options struct {
	recorder     string
	address      string
	scenario     string
	mode         string
	flows        int
	concurrency  int
	rate         float64
	metricsEvery time.Duration
	settings     settings
	rerun        place
	quiet        bool
}

// settings are for the recorder's service: key=value, any number of times.
type settings map[string]any

func (s settings) String() string {
	return fmt.Sprint(map[string]any(s))
}

func (s settings) Set(text string) error {
	key, value, found := strings.Cut(text, "=")
	if !found {
		return fmt.Errorf("%q is not key=value", text)
	}
	s[key] = value
	return nil
}

var recorders = []string{"none", "rest", "flowtrail"}

func parse(words []string) (options, error) {
	options := options{settings: settings{}}
	flags := flag.NewFlagSet("enginetest", flag.ContinueOnError)
	flags.StringVar(&options.recorder, "recorder", "none", "who records: "+strings.Join(recorders, ", "))
	flags.StringVar(&options.address, "address", "localhost:9190", "the `host:port` it records to")
	flags.StringVar(&options.scenario, "scenario", "all", "the `name` of one flow, or all: every flow in turn but ten and dawdles")
	flags.StringVar(&options.mode, "mode", "debugger", "what the engine records: debugger, step, off, full, snapshot")
	flags.IntVar(&options.flows, "flows", 0, "how many flows to run; 0 runs each of the scenario once")
	flags.IntVar(&options.concurrency, "concurrency", 4*runtime.NumCPU(), "flows at a time")
	flags.Float64Var(&options.rate, "rate", 0, "flows a second at most; 0 is no limit")
	flags.DurationVar(&options.metricsEvery, "metrics-every", 0, "time between two lines of metrics; 0 is never")
	flags.Var(options.settings, "setting", "`key=value` for the recorder's service; may be repeated")
	flags.Var(&options.rerun, "rerun", "`instance@step`: run no scenario, but that instance again from that step on")
	flags.BoolVar(&options.quiet, "quiet", false, "print the last line only")
	if err := flags.Parse(words); err != nil {
		return options, err
	}
	if flags.NArg() > 0 {
		return options, fmt.Errorf("%q is not a flag", flags.Arg(0))
	}
	if !slices.Contains(recorders, options.recorder) {
		return options, fmt.Errorf("-recorder %s: one of %s", options.recorder, strings.Join(recorders, ", "))
	}
	if _, _, err := net.SplitHostPort(options.address); err != nil {
		return options, fmt.Errorf("-address %s: %w", options.address, err)
	}
	if options.concurrency < 1 || options.flows < 0 || options.rate < 0 {
		return options, fmt.Errorf("-concurrency is at least 1, -flows and -rate at least 0")
	}
	if len(scenario(options.scenario)) == 0 {
		return options, fmt.Errorf("-scenario %s: all, or one of %s", options.scenario, strings.Join(names(), ", "))
	}
	return options, nil
}
