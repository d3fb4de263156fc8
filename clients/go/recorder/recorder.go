package recorder

import (
	"context"
	"errors"
	"expvar"
	"fmt"
	"os"
	"sync/atomic"
	"time"

	"github.com/project-flogo/core/support/log"
	"github.com/project-flogo/core/support/service"
	"github.com/project-flogo/flow/state"
	"github.com/project-flogo/flow/support"

	flowtrail "github.com/flowtrail/flowtrail/clients/go"
	"github.com/flowtrail/flowtrail/clients/go/flowtrailv1"
)

// ExpvarName is the name of the map of counts that package expvar shows.
const ExpvarName = "flowtrail"

// newest is the recorder whose counts are shown.
var newest atomic.Pointer[Recorder]

func init() {
	// An error would mean that this package is registered already.
	_ = service.RegisterFactory(factory{})
	expvar.Publish(ExpvarName, expvar.Func(func() any { return counts(newest.Load().Stats()) }))
}

func counts(stats flowtrail.Stats) map[string]uint64 {
	return map[string]uint64{
		"recorded":      stats.Recorded,
		"acknowledged":  stats.Acknowledged,
		"skipped":       stats.Skipped,
		"rejected":      stats.Rejected,
		"dropped":       stats.Dropped,
		"waiting":       stats.Waiting,
		"waiting_bytes": stats.WaitingBytes,
		"reconnects":    stats.Reconnects,
	}
}

type factory struct{}

// NewService makes a recorder from the settings of engine.json and the environment.
func (factory) NewService(config *service.Config) (service.Service, error) {
	settings, err := ParseSettings(config.Settings)
	if err != nil {
		return nil, err
	}
	recorder := &Recorder{settings: settings, log: log.ChildLogger(log.RootLogger(), "flowtrail")}
	// An engine that hears of it from Start would log it and run on, unrecorded.
	if err := recorder.options().Check(); err != nil {
		return nil, settingError(err)
	}
	return recorder, nil
}

// Recorder is the engine service. It implements state.Recorder of the flow action.
type Recorder struct {
	settings Settings
	log      log.Logger
	client   atomic.Pointer[flowtrail.Client]
	// When it was last logged, in Unix seconds, that a payload cannot be encoded.
	complained atomic.Int64
}

var _ state.Recorder = (*Recorder)(nil)

// Name of the service.
func (r *Recorder) Name() string {
	return "flowtrail"
}

// Start begins to connect; it does not wait for a server. Its error names a wrong setting.
func (r *Recorder) Start() error {
	client, err := flowtrail.New(r.options())
	if err != nil {
		return settingError(err)
	}
	r.client.Store(client)
	newest.Store(r)
	track(r.settings.Addresses[0])
	return nil
}

// trackingVariable is what flow since 1.6.13 looks at when an instance begins: only when it is set do
// steps hold what activities returned, and errors. The value means nothing to it.
const trackingVariable = "FLOGO_FLOW_SM_ENDPOINT"

// track sets it, unless somebody decided, with a value that is empty for no.
func track(address string) {
	if _, decided := os.LookupEnv(trackingVariable); !decided {
		// It fails only for a name with a NUL or an equals sign.
		_ = os.Setenv(trackingVariable, address)
	}
}

func (r *Recorder) options() flowtrail.Options {
	return flowtrail.Options{
		Addresses:     r.settings.Addresses,
		TLS:           r.settings.TLS,
		User:          support.GetUserName(),
		App:           support.GetAppName(),
		AppVersion:    support.GetAppVerison(),
		Host:          support.GetHostId(),
		Budget:        r.settings.Budget,
		OnFull:        r.settings.OnFull,
		FlushTime:     r.settings.FlushTime,
		Log:           slogTo(r.log),
		OnPersistence: r.told,
	}
}

// settingsOf are the settings behind the client's options.
var settingsOf = map[string]string{
	"Addresses":  "addresses",
	"Budget":     "budget",
	"FlushTime":  "flushTime",
	"User":       support.UserName,
	"App":        support.AppName,
	"AppVersion": support.AppVersion,
	"Host":       support.HostName,
}

func settingError(err error) error {
	var wrong *flowtrail.OptionError
	if !errors.As(err, &wrong) {
		return err
	}
	if key := settingsOf[wrong.Option]; key != "" {
		return fmt.Errorf("flowtrail recorder: setting %q%s: %s", key, origin(key), wrong.Reason)
	}
	return err
}

func (r *Recorder) told(enabled bool) {
	if enabled {
		r.log.Info("flowtrail: history of this app is switched on")
		return
	}
	r.log.Info("flowtrail: history of this app is switched off; starts and steps are not recorded")
}

// Stop sends what there is and waits for the answers, at most for the setting stopTimeout. Its error
// says how many events had none.
func (r *Recorder) Stop() error {
	client := r.client.Load()
	if client == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), r.settings.StopTimeout)
	defer cancel()
	err := client.Close(ctx)
	if err != nil {
		r.log.Error(err.Error())
	}
	return err
}

// Stats are the counts up to now.
func (r *Recorder) Stats() flowtrail.Stats {
	if r == nil || r.client.Load() == nil {
		return flowtrail.Stats{}
	}
	return r.client.Load().Stats()
}

// RecordStart records that an instance began. The answer is always nil: a flow does not fail because
// of its history.
func (r *Recorder) RecordStart(flow *state.FlowState) error {
	if client := r.wanted(); client != nil {
		event, err := started(flow)
		r.complain(err, "inputs", flow.FlowInstanceId)
		r.record(client, event)
	}
	return nil
}

// RecordStep records a step. The answer is always nil.
func (r *Recorder) RecordStep(step *state.Step) error {
	if client := r.wanted(); client != nil {
		event, free, err := recorded(step)
		r.complain(err, fmt.Sprintf("step %d", step.Id), step.FlowId)
		r.record(client, event)
		free()
	}
	return nil
}

// RecordDone records the end of an instance; with the setting wait at "end" it returns when the end,
// and everything before it, is durable. The answer is always nil.
func (r *Recorder) RecordDone(flow *state.FlowState) error {
	client := r.client.Load()
	if client == nil {
		return nil
	}
	event, err := ended(flow)
	r.complain(err, "outputs", flow.FlowInstanceId)
	receipt := r.record(client, event)
	if r.settings.WaitForEnd {
		// Whatever else becomes of it is counted and logged by the client.
		_ = receipt.Wait(context.Background())
	}
	return nil
}

// RecordSnapshot does nothing: flowtrail makes snapshots from the steps.
func (r *Recorder) RecordSnapshot(*state.Snapshot) error {
	return nil
}

// wanted is the client, if it takes starts and steps.
func (r *Recorder) wanted() *flowtrail.Client {
	client := r.client.Load()
	if client == nil || client.Recording() {
		return client
	}
	client.Skip()
	return nil
}

// record hands an event over. What is refused is counted and logged by the client.
func (r *Recorder) record(client *flowtrail.Client, event *flowtrailv1.Event) flowtrail.Receipt {
	receipt, _ := client.Record(context.Background(), event)
	return receipt
}

// complain logs, at most once in ten seconds, that a payload is left out of an event.
func (r *Recorder) complain(err error, what, instance string) {
	if err == nil {
		return
	}
	now, last := time.Now().Unix(), r.complained.Load()
	if now-last >= 10 && r.complained.CompareAndSwap(last, now) {
		r.log.Warnf("flowtrail: the %s of instance %s cannot be encoded as JSON and are left out: %v", what, instance, err)
	}
}
