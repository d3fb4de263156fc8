package restrecorder

import (
	"encoding/json"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/project-flogo/core/support/service"
	"github.com/project-flogo/flow/state"
)

func TestEveryEventIsOneRequestWhoseAnswerDoesNotMatter(t *testing.T) {
	var seen []string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		var event struct {
			Id     any    `json:"id"`
			FlowId string `json:"flowId"`
		}
		said := "nothing"
		if json.Unmarshal(body, &event) == nil {
			said = event.FlowId
		}
		seen = append(seen, strings.Join([]string{r.Method, r.URL.Path, r.Header.Get("Content-Type"), said}, " "))
		http.Error(w, "no", http.StatusInternalServerError)
	}))
	defer server.Close()
	address, err := url.Parse(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	settings := map[string]any{"host": address.Hostname(), "port": address.Port()}
	made, err := factory{}.NewService(&service.Config{Settings: settings})
	if err != nil {
		t.Fatal(err)
	}
	recorder := made.(state.Recorder)
	unsayable := &state.FlowState{FlowInputs: map[string]any{"number": math.NaN()}}
	for _, err := range []error{
		recorder.RecordStart(&state.FlowState{}),
		recorder.RecordStep(&state.Step{FlowId: "f"}),
		recorder.RecordSnapshot(&state.Snapshot{}),
		recorder.RecordDone(&state.FlowState{}),
		recorder.RecordDone(unsayable),
	} {
		if err != nil {
			t.Error(err)
		}
	}
	want := []string{
		"POST /v1/instances/start application/json ",
		"POST /v1/instances/steps application/json f",
		"POST /v1/instances/snapshot application/json ",
		"POST /v1/instances/end application/json ",
		"POST /v1/instances/end application/json nothing",
	}
	if !slices.Equal(seen, want) {
		t.Errorf("%q", seen)
	}
	server.Close()
	if recorder.RecordStep(&state.Step{}) == nil {
		t.Error("a dead server is an error")
	}
}

func TestBothSettingsAreRequired(t *testing.T) {
	for missing, settings := range map[string]map[string]any{
		"host": {"port": 9190},
		"port": {"host": "localhost"},
	} {
		_, err := factory{}.NewService(&service.Config{Settings: settings})
		if err == nil || !strings.Contains(err.Error(), "setting "+missing) {
			t.Errorf("without %s: %v", missing, err)
		}
	}
}
