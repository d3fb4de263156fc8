package flowtrail

import (
	"log/slog"
	"sync"
	"time"
)

// complaintTime is the least time between two log lines about the same kind of loss.
const complaintTime = 10 * time.Second

// complaints logs losses: the first at once, then at most one line in a while, with the number of
// those it stands for.
type complaints struct {
	log *slog.Logger

	mu      sync.Mutex
	last    [2]time.Time
	unheard [2]int
}

func (c *complaints) dropped(reason error) {
	c.tell(0, "flowtrail: events are dropped", slog.Any("reason", reason))
}

func (c *complaints) rejected(reason *RejectedError, more ...any) {
	c.tell(1, "flowtrail: events are rejected", append(more, slog.String("reason", reason.Reason))...)
}

func (c *complaints) tell(kind int, message string, more ...any) {
	c.mu.Lock()
	c.unheard[kind]++
	now := time.Now()
	count := c.unheard[kind]
	due := now.Sub(c.last[kind]) >= complaintTime
	if due {
		c.last[kind], c.unheard[kind] = now, 0
	}
	c.mu.Unlock()
	if due {
		c.log.Error(message, append([]any{slog.Int("events", count)}, more...)...)
	}
}
