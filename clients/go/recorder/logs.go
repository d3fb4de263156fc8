package recorder

import (
	"context"
	"fmt"
	"log/slog"
	"strings"

	"github.com/project-flogo/core/support/log"
)

// logs writes what the client logs into the engine's log.
type logs struct {
	to log.Logger
	// What was given to WithAttrs.
	always string
}

// slogTo is a logger of the standard library into the engine's log.
func slogTo(to log.Logger) *slog.Logger {
	return slog.New(logs{to: to})
}

func (logs) Enabled(context.Context, slog.Level) bool {
	return true
}

func (l logs) Handle(_ context.Context, record slog.Record) error {
	var line strings.Builder
	line.WriteString(record.Message)
	line.WriteString(l.always)
	record.Attrs(func(attr slog.Attr) bool {
		fmt.Fprintf(&line, ", %s: %s", attr.Key, attr.Value)
		return true
	})
	switch text := line.String(); {
	case record.Level >= slog.LevelError:
		l.to.Error(text)
	case record.Level >= slog.LevelWarn:
		l.to.Warn(text)
	default:
		l.to.Info(text)
	}
	return nil
}

func (l logs) WithAttrs(attrs []slog.Attr) slog.Handler {
	for _, attr := range attrs {
		l.always += fmt.Sprintf(", %s: %s", attr.Key, attr.Value)
	}
	return l
}

func (l logs) WithGroup(string) slog.Handler {
	return l
}
