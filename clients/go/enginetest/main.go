// Command enginetest is a Flogo app for tests and benchmarks: it runs flows on a real engine, with or
// without a recorder, and says on stdout, a line of JSON each, what has happened:
//
//	{"ready":true}                              the engine runs
//	{"ended":7,"flow":"fails","error":"…"}      a flow has ended and its recorder has returned
//	{"metrics":{…},"rss":12345678}              now and then: expvar's map flowtrail, memory in bytes
//	{"done":{…}}                                after the engine has stopped, see Done
//
// It exits with 0 whenever it came to its end, whatever became of the flows, with 1 when the engine does
// not start, with 2 when the flags are wrong.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	// before every package of the engine, see there
	_ "github.com/flowtrail/flowtrail/clients/go/enginetest/defaults"

	"github.com/project-flogo/core/engine"

	"github.com/flowtrail/flowtrail/clients/go/enginetest/watch"
)

func main() {
	options, err := parse(os.Args[1:])
	switch {
	case errors.Is(err, flag.ErrHelp):
		return
	case err != nil:
		fmt.Fprintln(os.Stderr, "enginetest:", err)
		os.Exit(2)
	}
	if err := run(options); err != nil {
		fmt.Fprintln(os.Stderr, "enginetest:", err)
		os.Exit(1)
	}
}

func run(options options) error {
	// a signal ends the load; the engine still stops in order
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()

	report := &report{quiet: options.quiet}
	load := newLoad(options, report)
	var startError, stopError error
	watch.Use(watch.Watcher{
		Ended:   load.recorded,
		Started: func(err error) { startError = err },
		Stopped: func(err error) { stopError = err },
	})
	app, err := newEngine(options)
	if err != nil {
		return err
	}
	if err := errors.Join(app.Start(), startError); err != nil {
		return err
	}
	report.ready()
	endReports := report.every(options.metricsEvery)
	var done done
	if options.rerun.instance != "" {
		done = rerun(options.address, options.rerun)
	} else {
		done = load.run(ctx)
	}
	stopping := time.Now()
	if err := app.Stop(); err != nil {
		stopError = errors.Join(err, stopError)
	}
	done.StopSeconds = time.Since(stopping).Seconds()
	endReports()
	if stopError != nil {
		done.StopError = stopError.Error()
	}
	report.done(done)
	return nil
}

func newEngine(options options) (engine.Engine, error) {
	app, err := appConfig()
	if err != nil {
		return nil, err
	}
	config, err := engineConfig(options)
	if err != nil {
		return nil, err
	}
	return engine.New(app, engine.ConfigOption(config, false))
}
