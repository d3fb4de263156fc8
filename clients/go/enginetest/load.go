package main

import (
	"context"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/project-flogo/core/data/coerce"
	"github.com/project-flogo/flow/state"

	"github.com/flowtrail/flowtrail/clients/go/enginetest/drive"
)

// load runs the flows of a scenario in turn, numbered from 0.
type load struct {
	options options
	flows   []flow
	report  *report

	next, ended, failed, unexpected atomic.Int64
	// detached counts the instances that flows started and nobody waits for: started less recorded.
	detached     atomic.Int64
	detachedName string
	settled      chan struct{}
}

func newLoad(options options, report *report) *load {
	load := &load{options: options, flows: scenario(options.scenario), report: report}
	load.settled = make(chan struct{}, 1)
	for _, flow := range load.flows {
		if flow.detached != "" {
			load.detachedName = flow.detached
		}
	}
	if load.options.flows == 0 {
		load.options.flows = len(load.flows)
	}
	return load
}

// run runs all of it, or what could be begun before ctx ended, and returns when every flow has ended,
// also those that nobody waits for when they are recorded.
func (l *load) run(ctx context.Context) done {
	begin := time.Now()
	var workers sync.WaitGroup
	for range l.options.concurrency {
		workers.Add(1)
		go func() {
			defer workers.Done()
			for l.one(ctx, begin) {
			}
		}()
	}
	workers.Wait()
	l.settle(ctx)
	seconds := time.Since(begin).Seconds()
	return done{
		Flows:          l.ended.Load(),
		Failed:         l.failed.Load(),
		Unexpected:     l.unexpected.Load(),
		Seconds:        seconds,
		FlowsPerSecond: float64(l.ended.Load()) / seconds,
	}
}

func (l *load) one(ctx context.Context, begin time.Time) bool {
	number := int(l.next.Add(1)) - 1
	if number >= l.options.flows || !l.due(ctx, number, begin) {
		return false
	}
	flow := &l.flows[number%len(l.flows)]
	if flow.detached != "" {
		l.detached.Add(1)
	}
	outputs, err := drive.Run(context.Background(), flow.name, flow.take(number))
	l.ended.Add(1)
	if err != nil {
		l.failed.Add(1)
		if flow.detached != "" {
			// it came to its end before it could start the other
			l.detached.Add(-1)
		}
	}
	if wrong := flow.check(number, outputs, err); wrong != nil {
		l.unexpected.Add(1)
		fmt.Fprintf(os.Stderr, "enginetest: flow %s, number %d: %v\n", flow.name, number, wrong)
	}
	l.report.ended(number, flow.name, err)
	return true
}

// due waits until a flow may begin; false when it may not any more.
func (l *load) due(ctx context.Context, number int, begin time.Time) bool {
	if l.options.rate > 0 {
		at := time.Duration(float64(number) / l.options.rate * float64(time.Second))
		select {
		case <-ctx.Done():
		case <-time.After(time.Until(begin.Add(at))):
		}
	}
	return ctx.Err() == nil
}

// recorded hears of every end that the recorder has returned from.
func (l *load) recorded(flow *state.FlowState) {
	if l.detachedName == "" || flow.FlowName != l.detachedName {
		return
	}
	number, err := coerce.ToInt(flow.FlowInputs["number"])
	if err != nil {
		number = -1
	}
	l.report.ended(number, flow.FlowName, nil)
	if l.detached.Add(-1) == 0 {
		select {
		case l.settled <- struct{}{}:
		default:
		}
	}
}

// settle waits for the flows that nobody waits for; without a recorder nobody hears of their ends.
func (l *load) settle(ctx context.Context) {
	for l.options.recorder != "none" && l.detached.Load() > 0 {
		select {
		case <-ctx.Done():
			return
		case <-l.settled:
		}
	}
}
