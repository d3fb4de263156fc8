// Package restrecorder posts every event of a flow to the REST routes of a flow-state service, one
// request an event, waiting for each answer and ignoring it.
//
// It exists to be compared with. Flogo's own REST recorder does exactly this, but the version that can
// record starts and ends was never published as a module, so tests and benchmarks could not link it.
package restrecorder

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/project-flogo/core/data/coerce"
	"github.com/project-flogo/core/support/service"
	"github.com/project-flogo/flow/state"
)

// Ref names this service in an engine's configuration.
const Ref = "github.com/flowtrail/flowtrail/clients/go/enginetest/restrecorder"

type factory struct{}

type recorder struct {
	base string
}

func init() {
	if err := service.RegisterFactory(factory{}); err != nil {
		panic(err)
	}
}

// NewService takes the settings host and port, both required; a host without a scheme is spoken to in
// plain HTTP.
func (factory) NewService(config *service.Config) (service.Service, error) {
	host, err := coerce.ToString(config.Settings["host"])
	if err != nil || host == "" {
		return nil, fmt.Errorf("setting host: the name of the server is missing")
	}
	port, err := coerce.ToInt(config.Settings["port"])
	if err != nil || port == 0 {
		return nil, fmt.Errorf("setting port: the number of the server's port is missing")
	}
	if !strings.HasPrefix(host, "http") {
		host = "http://" + host
	}
	return &recorder{base: fmt.Sprintf("%s:%d/v1/instances/", host, port)}, nil
}

func (*recorder) Name() string { return "rest recorder" }
func (*recorder) Start() error { return nil }
func (*recorder) Stop() error  { return nil }

func (r *recorder) RecordStart(flow *state.FlowState) error { return r.post("start", flow) }
func (r *recorder) RecordDone(flow *state.FlowState) error  { return r.post("end", flow) }
func (r *recorder) RecordStep(step *state.Step) error       { return r.post("steps", step) }

func (r *recorder) RecordSnapshot(snapshot *state.Snapshot) error {
	return r.post("snapshot", snapshot)
}

func (r *recorder) post(route string, event any) error {
	// what JSON cannot say is posted as an empty body, and the server's answer does not matter
	body, _ := json.Marshal(event)
	request, err := http.NewRequest(http.MethodPost, r.base+route, bytes.NewReader(body))
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", "application/json")
	// a client each time, but the transport and so the kept connections are shared
	client := http.Client{}
	response, err := client.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	_, err = io.Copy(io.Discard, response.Body)
	return err
}
