package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/project-flogo/core/action"
	"github.com/project-flogo/core/engine/runner"
	"github.com/project-flogo/flow/instance"
	"github.com/project-flogo/flow/support"
)

// place is a step of an instance.
type place struct {
	instance string
	step     int
}

func (p *place) String() string {
	return fmt.Sprintf("%s@%d", p.instance, p.step)
}

func (p *place) Set(text string) error {
	id, step, _ := strings.Cut(text, "@")
	number, err := strconv.Atoi(step)
	if err != nil || id == "" || number < 1 {
		return fmt.Errorf("%q is not instance@step with a step from 1 on", text)
	}
	p.instance, p.step = id, number
	return nil
}

// rerun runs an instance again from a step on, under its own id: it takes the state before the step
// from the service's REST routes, gives up what was recorded from there on, and restarts the flow.
func rerun(address string, from place) done {
	begin := time.Now()
	err := restart(address, from)
	result := done{Flows: 1, Seconds: time.Since(begin).Seconds()}
	if err != nil {
		result.Failed, result.Unexpected = 1, 1
		result.StopError = err.Error()
	}
	return result
}

func restart(address string, from place) error {
	base := fmt.Sprintf("http://%s/v1/instances/%s/", address, from.instance)
	text, err := call(http.MethodGet, base+"snapshot/"+strconv.Itoa(from.step-1))
	if err != nil {
		return err
	}
	var state struct {
		Attrs map[string]any `json:"attrs"`
	}
	initial := &instance.IndependentInstance{}
	if err := json.Unmarshal(text, &state); err != nil {
		return fmt.Errorf("the snapshot: %w", err)
	}
	if err := json.Unmarshal(text, initial); err != nil {
		return fmt.Errorf("the snapshot: %w", err)
	}
	if _, err := call(http.MethodDelete, base+"step/"+strconv.Itoa(from.step)); err != nil {
		return err
	}
	inputs := maps.Clone(state.Attrs)
	inputs["_run_options"] = &instance.RunOptions{
		Op:                  instance.OpRestart,
		FlowURI:             initial.FlowURI(),
		PreservedInstanceId: from.instance,
		InitStepId:          from.step,
		InitialState:        initial,
		Rerun:               true,
	}
	flow, err := action.GetFactory("github.com/project-flogo/flow").New(&action.Config{
		Settings: map[string]any{"flowURI": initial.FlowURI()},
	})
	if err != nil {
		return err
	}
	_, err = runner.NewDirect().RunAction(context.Background(), flow, inputs)
	return err
}

// call asks one of the service's routes, as the user the engine records for.
func call(method, url string) ([]byte, error) {
	request, err := http.NewRequest(method, url, nil)
	if err != nil {
		return nil, err
	}
	request.Header.Set("username", support.GetUserName())
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s %s: %s: %s", method, url, response.Status, body)
	}
	return body, err
}
