package main

import (
	"bytes"
	"encoding/json"
	"expvar"
	"os"
	"strconv"
	"sync"
	"time"
)

// done is the last line.
type done struct {
	// Flows that ended, Failed ones among them with an error, Unexpected ones otherwise than they should.
	Flows      int64 `json:"flows"`
	Failed     int64 `json:"failed"`
	Unexpected int64 `json:"unexpected"`
	// Seconds from the begin of the first flow to the end of the last.
	Seconds        float64 `json:"seconds"`
	FlowsPerSecond float64 `json:"flows_per_second"`
	// StopSeconds is how long the engine took to stop: the recorder sends what is still waiting.
	StopSeconds float64 `json:"stop_seconds"`
	// PeakRSS is the most memory it ever had, in bytes.
	PeakRSS int64           `json:"peak_rss"`
	Metrics json.RawMessage `json:"metrics"`
	// StopError is what the recorder said when it was stopped.
	StopError string `json:"stop_error"`
}

// report writes lines to stdout, whole ones from any goroutine.
type report struct {
	quiet bool
	mutex sync.Mutex
}

func (r *report) line(value any) {
	text, err := json.Marshal(value)
	if err != nil {
		panic(err)
	}
	r.mutex.Lock()
	defer r.mutex.Unlock()
	// who reads may have gone away; the flows go on
	_, _ = os.Stdout.Write(append(text, '\n'))
}

func (r *report) ready() {
	if !r.quiet {
		r.line(map[string]bool{"ready": true})
	}
}

func (r *report) ended(number int, flow string, err error) {
	if r.quiet {
		return
	}
	line := struct {
		Ended int    `json:"ended"`
		Flow  string `json:"flow"`
		Error string `json:"error,omitempty"`
	}{Ended: number, Flow: flow}
	if err != nil {
		line.Error = err.Error()
	}
	r.line(line)
}

// every writes the metrics in intervals, and once more when the function it returns is called.
func (r *report) every(interval time.Duration) func() {
	if interval <= 0 || r.quiet {
		return func() {}
	}
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		ticker := time.NewTicker(interval)
		defer ticker.Stop()
		for {
			select {
			case <-ticker.C:
				r.metrics()
			case <-stop:
				r.metrics()
				return
			}
		}
	}()
	return func() {
		close(stop)
		<-stopped
	}
}

func (r *report) metrics() {
	r.line(struct {
		Metrics json.RawMessage `json:"metrics"`
		RSS     int64           `json:"rss"`
	}{metrics(), memory("VmRSS:")})
}

func (r *report) done(done done) {
	done.PeakRSS = memory("VmHWM:")
	done.Metrics = metrics()
	r.line(map[string]any{"done": done})
}

// metrics is the recorder's map, null without one.
func metrics() json.RawMessage {
	variable := expvar.Get("flowtrail")
	if variable == nil {
		return nil
	}
	return json.RawMessage(variable.String())
}

// memory is a line of /proc/self/status in bytes, 0 where there is no such file.
func memory(name string) int64 {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0
	}
	_, rest, _ := bytes.Cut(status, []byte("\n"+name))
	line, _, _ := bytes.Cut(rest, []byte("\n"))
	text, _, _ := bytes.Cut(bytes.TrimSpace(line), []byte(" "))
	kilobytes, _ := strconv.ParseInt(string(text), 10, 64)
	return kilobytes << 10
}
