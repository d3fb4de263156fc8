package flowtrail

import (
	"cmp"
	"crypto/tls"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"time"
	"unicode/utf8"
)

// OnFull says what happens to an event when the budget is used up.
type OnFull int

const (
	// Wait lets whoever records wait until there is room. Nothing is lost.
	Wait OnFull = iota
	// Drop drops the event and counts it.
	Drop
)

// What applies where Options say nothing.
const (
	DefaultBudget    = 64 << 20
	DefaultFlushTime = 20 * time.Millisecond
	// MinBudget is the smallest budget: some full chunks.
	MinBudget = 1 << 20
	// MaxFlushTime keeps what a crash of the engine can lose within seconds.
	MaxFlushTime = 10 * time.Second
)

// maxText is the longest text of a hello, in bytes; the server's limit.
const maxText = 512

// Options of a client. User, App and an address are required.
type Options struct {
	// Addresses of flowtrail servers, host:port. They are tried in turn; one is used at a time.
	Addresses []string
	// TLS encrypts the connection; nil means plain text.
	TLS *tls.Config

	// User is the tenant. With App it is the key of the app's toggle.
	User string
	App  string
	// AppVersion and Host (the app instance) are stored with every flow instance; they may be empty.
	AppVersion string
	Host       string

	// Budget is the most bytes of encoded events that may be held, waiting to be sent or to be
	// acknowledged. 0 is DefaultBudget.
	Budget int
	// OnFull says what happens when the budget is used up.
	OnFull OnFull
	// FlushTime is how long an event waits for others to be sent with. 0 is DefaultFlushTime.
	FlushTime time.Duration

	// Log hears of lost and regained connections, and of events that were dropped or rejected.
	// nil is slog.Default().
	Log *slog.Logger
	// OnPersistence is called when history of this app is switched on or off. It must not block.
	OnPersistence func(enabled bool)
}

// Check tells what New would have against the options: an *OptionError, or nil.
func (o Options) Check() error {
	_, err := o.resolved()
	return err
}

// resolved fills in the defaults and checks the rest.
func (o Options) resolved() (Options, error) {
	o.Budget = cmp.Or(o.Budget, DefaultBudget)
	o.FlushTime = cmp.Or(o.FlushTime, DefaultFlushTime)
	o.Log = cmp.Or(o.Log, slog.Default())
	if len(o.Addresses) == 0 {
		return o, wrong("Addresses", "no address; give host:port of a flowtrail server")
	}
	for _, address := range o.Addresses {
		host, port, err := net.SplitHostPort(address)
		if err != nil || host == "" || port == "" || strings.Contains(address, "/") {
			return o, wrong("Addresses", "%q is not host:port, for example localhost:9190", address)
		}
	}
	for _, text := range []struct{ name, value string }{
		{"User", o.User}, {"App", o.App}, {"AppVersion", o.AppVersion}, {"Host", o.Host},
	} {
		switch {
		case len(text.value) > maxText:
			return o, wrong(text.name, "%d bytes; at most %d are stored", len(text.value), maxText)
		case !utf8.ValidString(text.value) || strings.ContainsRune(text.value, 0):
			return o, wrong(text.name, "not UTF-8 without NUL")
		}
	}
	switch {
	case o.User == "":
		return o, wrong("User", "empty; name the tenant")
	case o.App == "":
		return o, wrong("App", "empty; name the app")
	case o.Budget < MinBudget:
		return o, wrong("Budget", "%d bytes; give at least %d", o.Budget, MinBudget)
	case o.FlushTime < 0 || o.FlushTime > MaxFlushTime:
		return o, wrong("FlushTime", "%s; give more than 0 and at most %s", o.FlushTime, MaxFlushTime)
	case o.OnFull != Wait && o.OnFull != Drop:
		return o, wrong("OnFull", "%d is neither Wait nor Drop", o.OnFull)
	}
	return o, nil
}

// OptionError says what is wrong with one of the Options.
type OptionError struct {
	// Option is the name of the field.
	Option string
	// Reason says what is wrong and what would be right.
	Reason string
}

func (e *OptionError) Error() string {
	return "flowtrail: " + e.Option + ": " + e.Reason
}

func wrong(option, reason string, values ...any) error {
	return &OptionError{Option: option, Reason: fmt.Sprintf(reason, values...)}
}
