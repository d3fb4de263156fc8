package recorder

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/project-flogo/core/data/coerce"

	flowtrail "github.com/flowtrail/flowtrail/clients/go"
)

// Settings of the service. Each is a key of its settings in engine.json and an environment variable,
// which wins; see Variables.
type Settings struct {
	// Addresses are flowtrail servers, host:port, tried in turn. addresses: a list, or one text with
	// commas.
	Addresses []string
	// TLS encrypts the connection. tls: on, off; it is on when one of the next four is set. tlsCa is
	// a PEM file of the authorities to trust instead of the system's, tlsCert and tlsKey are the
	// files of the client's certificate, tlsServerName is the name the server's has to have.
	TLS *tls.Config
	// Budget is the most bytes of events that may wait. budget: bytes, or a number with KiB, MiB or
	// GiB.
	Budget int
	// OnFull says what happens then. onFull: wait (the flow waits), drop (the event is dropped and
	// counted).
	OnFull flowtrail.OnFull
	// FlushTime is how long an event waits for others to be sent with. flushTime: for example 20ms.
	FlushTime time.Duration
	// WaitForEnd has the end of a flow return when it, and all before it, is durable. wait: none, end.
	WaitForEnd bool
	// StopTimeout is how long a stop of the engine waits for acknowledgements. stopTimeout: for
	// example 10s.
	StopTimeout time.Duration
}

// Variables are the environment variables of the settings, by key.
var Variables = map[string]string{
	"addresses":     "FLOWTRAIL_RECORDER_ADDRESSES",
	"tls":           "FLOWTRAIL_RECORDER_TLS",
	"tlsCa":         "FLOWTRAIL_RECORDER_TLS_CA",
	"tlsCert":       "FLOWTRAIL_RECORDER_TLS_CERT",
	"tlsKey":        "FLOWTRAIL_RECORDER_TLS_KEY",
	"tlsServerName": "FLOWTRAIL_RECORDER_TLS_SERVER_NAME",
	"budget":        "FLOWTRAIL_RECORDER_BUDGET",
	"onFull":        "FLOWTRAIL_RECORDER_ON_FULL",
	"flushTime":     "FLOWTRAIL_RECORDER_FLUSH_TIME",
	"wait":          "FLOWTRAIL_RECORDER_WAIT",
	"stopTimeout":   "FLOWTRAIL_RECORDER_STOP_TIMEOUT",
}

// What applies where nothing is set.
const (
	DefaultAddress     = "localhost:9190"
	DefaultStopTimeout = 10 * time.Second
)

// ParseSettings reads the service's settings and the environment. Its errors name the setting, and
// the variable if that is where the value comes from.
func ParseSettings(given map[string]any) (Settings, error) {
	for _, key := range slices.Sorted(maps.Keys(given)) {
		if _, known := Variables[key]; !known {
			keys := strings.Join(slices.Sorted(maps.Keys(Variables)), ", ")
			return Settings{}, fmt.Errorf("flowtrail recorder: setting %q: there is none of that name; there are %s", key, keys)
		}
	}
	texts := source{given: given}
	settings := Settings{
		Addresses:   texts.addresses(),
		Budget:      read(&texts, "budget", flowtrail.DefaultBudget, size),
		OnFull:      read(&texts, "onFull", flowtrail.Wait, one(map[string]flowtrail.OnFull{"wait": flowtrail.Wait, "drop": flowtrail.Drop})),
		FlushTime:   read(&texts, "flushTime", flowtrail.DefaultFlushTime, duration),
		WaitForEnd:  read(&texts, "wait", false, one(map[string]bool{"none": false, "end": true})),
		StopTimeout: read(&texts, "stopTimeout", DefaultStopTimeout, duration),
		TLS:         texts.tls(),
	}
	return settings, texts.wrong
}

// source gives the text of a setting and keeps the first error.
type source struct {
	given map[string]any
	wrong error
}

// text is the value of a setting, empty when it is not set.
func (s *source) text(key string) string {
	if value := os.Getenv(Variables[key]); value != "" {
		return strings.TrimSpace(value)
	}
	value, err := coerce.ToString(s.given[key])
	if err != nil {
		s.fail(key, errors.New("not a text"))
	}
	return strings.TrimSpace(value)
}

func (s *source) fail(key string, err error) {
	if s.wrong != nil {
		return
	}
	s.wrong = fmt.Errorf("flowtrail recorder: setting %q%s: %w", key, origin(key), err)
}

// origin names the variable that a setting comes from, if it does.
func origin(key string) string {
	if os.Getenv(Variables[key]) == "" {
		return ""
	}
	return " (from " + Variables[key] + ")"
}

func read[T any](s *source, key string, otherwise T, parse func(string) (T, error)) T {
	text := s.text(key)
	if text == "" {
		return otherwise
	}
	value, err := parse(text)
	if err != nil {
		s.fail(key, err)
	}
	return value
}

func (s *source) addresses() []string {
	list, isList := s.given["addresses"].([]any)
	if isList && os.Getenv(Variables["addresses"]) == "" {
		var addresses []string
		for _, item := range list {
			address, err := coerce.ToString(item)
			if err != nil {
				s.fail("addresses", errors.New("an item of the list is not a text"))
			}
			addresses = append(addresses, address)
		}
		return addresses
	}
	return read(s, "addresses", []string{DefaultAddress}, func(text string) ([]string, error) {
		addresses := strings.Split(text, ",")
		for i := range addresses {
			addresses[i] = strings.TrimSpace(addresses[i])
		}
		return addresses, nil
	})
}

func (s *source) tls() *tls.Config {
	ca, cert, key, name := s.text("tlsCa"), s.text("tlsCert"), s.text("tlsKey"), s.text("tlsServerName")
	given := ca+cert+key+name != ""
	if !read(s, "tls", given, one(map[string]bool{"on": true, "off": false})) {
		if given {
			s.fail("tls", errors.New("off, but tlsCa, tlsCert, tlsKey or tlsServerName is set; remove those, or this"))
		}
		return nil
	}
	config := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: name}
	if ca != "" {
		pem, err := os.ReadFile(ca)
		if err != nil {
			s.fail("tlsCa", err)
		}
		config.RootCAs = x509.NewCertPool()
		if err == nil && !config.RootCAs.AppendCertsFromPEM(pem) {
			s.fail("tlsCa", fmt.Errorf("no certificate in %s; give a PEM file", ca))
		}
	}
	switch {
	case cert != "" && key != "":
		pair, err := tls.LoadX509KeyPair(cert, key)
		if err != nil {
			s.fail("tlsCert", err)
		}
		config.Certificates = []tls.Certificate{pair}
	case cert != "":
		s.fail("tlsKey", errors.New("not set, but tlsCert is; give the file of its key"))
	case key != "":
		s.fail("tlsCert", errors.New("not set, but tlsKey is; give the file of its certificate"))
	}
	return config
}

// one takes one of some words.
func one[T any](words map[string]T) func(string) (T, error) {
	return func(text string) (T, error) {
		value, known := words[text]
		if !known {
			return value, fmt.Errorf("%q is none of %s", text, strings.Join(slices.Sorted(maps.Keys(words)), ", "))
		}
		return value, nil
	}
}

func duration(text string) (time.Duration, error) {
	value, err := time.ParseDuration(text)
	if err != nil || value <= 0 {
		return 0, fmt.Errorf("%q is no time above zero such as 20ms or 10s", text)
	}
	return value, nil
}

func size(text string) (int, error) {
	number, shift := text, 0
	for unit, by := range map[string]int{"KiB": 10, "MiB": 20, "GiB": 30} {
		if digits, found := strings.CutSuffix(text, unit); found {
			number, shift = strings.TrimSpace(digits), by
		}
	}
	value, err := strconv.ParseUint(number, 10, 32)
	if err != nil || value == 0 {
		return 0, fmt.Errorf("%q is no size above zero such as 67108864 or 64MiB", text)
	}
	return int(value << shift), nil
}
