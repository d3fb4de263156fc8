package flowtrail_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	flowtrail "github.com/flowtrail/flowtrail/clients/go"
	"github.com/flowtrail/flowtrail/clients/go/internal/servertest"
)

var kibibyte = strings.Repeat("x", 1<<10)

// connected records one event and has it answered.
func connected(t *testing.T, options flowtrail.Options, instance string) *flowtrail.Client {
	t.Helper()
	client := open(t, options)
	if err := record(t, client, start(instance)).Wait(patient(t)); err != nil {
		t.Fatal(err)
	}
	return client
}

func dropsWhatFindsNoRoom(t *testing.T, server *servertest.Server) {
	options, journal := options(t, server.Address())
	options.Budget, options.OnFull = flowtrail.MinBudget, flowtrail.Drop
	client := connected(t, options, "dropping")
	server.Freeze()
	defer server.Thaw()
	const count = 5000
	var wanted []string
	// The server is frozen all the while: this ends only if nothing waits for it.
	for i := range count {
		_, err := client.Record(t.Context(), step("dropping", i, kibibyte))
		switch {
		case err == nil:
			wanted = append(wanted, fmt.Sprint(i, " ", kibibyte))
		case !errors.Is(err, flowtrail.ErrDropped):
			t.Fatal(err)
		}
	}
	stats := client.Stats()
	if stats.Dropped != uint64(count-len(wanted)) || stats.Dropped == 0 || len(wanted) < 900 {
		t.Fatalf("%d of %d were taken: %+v", len(wanted), count, stats)
	}
	server.Thaw()
	flush(t, client)
	if found := steps(t, server, "dropping"); !slices.Equal(found, wanted) {
		t.Fatalf("%d rows, %d were taken", len(found), len(wanted))
	}
	if again := client.Stats(); again.Dropped != stats.Dropped || again.Acknowledged != uint64(len(wanted)+1) {
		t.Fatalf("%+v", again)
	}
	if lines := strings.Count(journal.String(), "events are dropped"); lines == 0 || lines > 10 {
		t.Fatalf("%d log lines about drops", lines)
	}
}

func waitsForRoom(t *testing.T, server *servertest.Server) {
	options, _ := options(t, server.Address())
	options.Budget = flowtrail.MinBudget
	client := connected(t, options, "waiting")
	server.Freeze()
	defer server.Thaw()
	const count = 5000
	recorded := make(chan error, 1)
	go func() {
		for i := range count {
			if _, err := client.Record(t.Context(), step("waiting", i, kibibyte)); err != nil {
				recorded <- err
				return
			}
		}
		recorded <- nil
	}()
	eventually(t, "the budget is used up", func() bool {
		return client.Stats().WaitingBytes > flowtrail.MinBudget-uint64(len(kibibyte))-100
	})
	// Another one waits as well, as long as it likes.
	short, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := client.Record(short, step("waiting", count, kibibyte)); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("recorded without room: %v", err)
	}
	if stats := client.Stats(); stats.Recorded > 1100 || stats.Dropped != 1 {
		t.Fatalf("%+v", stats)
	}
	server.Thaw()
	if err := <-recorded; err != nil {
		t.Fatal(err)
	}
	wanted := flowtrail.Stats{Recorded: count + 2, Acknowledged: count + 1, Dropped: 1}
	if stats := flush(t, client); stats != wanted {
		t.Fatalf("%+v", stats)
	}
	if found := steps(t, server, "waiting"); len(found) != count {
		t.Fatalf("%d rows", len(found))
	}
}
