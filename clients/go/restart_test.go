package flowtrail_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	flowtrail "github.com/flowtrail/flowtrail/clients/go"
	"github.com/flowtrail/flowtrail/clients/go/flowtrailv1"
	"github.com/flowtrail/flowtrail/clients/go/internal/servertest"
)

func TestNothingIsLostOrTwiceWhenTheServerIsKilled(t *testing.T) {
	const recorders, instances, each = 8, 625, 8
	const events = recorders * instances * (each + 2)
	server := servertest.Start(t)
	options, _ := options(t, server.Address())
	options.Budget = 2 << 20
	client := open(t, options)

	var recording sync.WaitGroup
	for recorder := range recorders {
		recording.Add(1)
		go func() {
			defer recording.Done()
			for i := range instances {
				instance := fmt.Sprintf("killed-%d-%d", recorder, i)
				flow := []*flowtrailv1.Event{start(instance)}
				for number := range each {
					flow = append(flow, step(instance, number, contentOf(instance, number)))
				}
				for _, event := range append(flow, end(instance)) {
					if _, err := client.Record(patient(t), event); err != nil {
						t.Error(err)
						return
					}
				}
			}
		}()
	}
	const kills = 3
	for kill := range uint64(kills) {
		eventually(t, "some more events are acknowledged", func() bool {
			return client.Stats().Acknowledged > (kill+1)*events/(kills+1)-events/8
		})
		server.Kill9()
		server.Restart()
	}
	recording.Wait()
	stats := flush(t, client)
	wanted := flowtrail.Stats{Recorded: events, Acknowledged: events, Reconnects: stats.Reconnects}
	if stats != wanted || stats.Reconnects < 1 {
		t.Fatalf("%+v", stats)
	}

	found := server.Query(t, "select flowinstanceid, stepid, convert_from(stepdata, 'UTF8') from steps")
	for _, row := range found {
		var number int
		if _, err := fmt.Sscan(row[1], &number); err != nil || row[2] != contentOf(row[0], number) {
			t.Fatalf("a row that was not recorded: %q", row)
		}
	}
	// The keys of the tables let none be there twice; copies would be kept as past.
	for query, wanted := range map[string]int{
		"select count(*) from steps":                                     recorders * instances * each,
		"select count(*) from flowstate where status = 'Completed'":      recorders * instances,
		"select count(*) from flowstate where flowinput is null":         0,
		"select count(*) from flowtrail.past_steps":                      0,
		"select count(*) from flowtrail.past_flowstate":                  0,
		"select count(distinct flowinstanceid || stepid) from steps":     recorders * instances * each,
		"select count(*) from flowstate where executiontime<>'1000.000'": 0,
	} {
		if found := one(t, server, query); found != fmt.Sprint(wanted) {
			t.Errorf("%s: %s instead of %d", query, found, wanted)
		}
	}
}

func contentOf(instance string, number int) string {
	return fmt.Sprintf("%s/%d %s", instance, number, strings.Repeat("x", 100))
}

func TestAServerThatComesBackWithSmallerLimits(t *testing.T) {
	server := servertest.Start(t)
	options, _ := options(t, server.Address())
	client := connected(t, options, "small")
	server.Kill9()

	const most = 16 << 10
	var receipts []flowtrail.Receipt
	var sizes []int
	var wanted []string
	for i := range 400 {
		size := 100 + i
		switch i % 10 {
		case 3, 4:
			size = most + 1000*(i%7)
		case 7:
			size = most - 200
		}
		content := strings.Repeat("x", size)
		receipts, sizes = append(receipts, record(t, client, step("small", i, content))), append(sizes, size)
		if size < most {
			wanted = append(wanted, fmt.Sprint(i, " ", content))
		}
	}
	server.RestartWith("--max-chunk-bytes", "64KiB", "--max-event-bytes", fmt.Sprint(most))
	stats := flush(t, client)
	if found := steps(t, server, "small"); !slices.Equal(found, wanted) {
		t.Errorf("%d rows instead of %d", len(found), len(wanted))
	}
	for i, receipt := range receipts {
		err := receipt.Wait(patient(t))
		var rejection *flowtrail.RejectedError
		switch {
		case sizes[i] < most && err != nil:
			t.Errorf("event %d of %d bytes: %v", i, sizes[i], err)
		case sizes[i] >= most && (!errors.As(err, &rejection) ||
			rejection.Code != flowtrailv1.RejectionCode_REJECTION_CODE_EVENT_TOO_LARGE):
			t.Errorf("event %d of %d bytes: %v", i, sizes[i], err)
		}
	}
	if int(stats.Rejected) != len(receipts)-len(wanted) || stats.Reconnects != 1 {
		t.Errorf("%+v", stats)
	}
	// From now on it is known before.
	_, err := client.Record(t.Context(), step("small", 400, strings.Repeat("x", most)))
	if err == nil || !strings.Contains(err.Error(), "--max-event-bytes") {
		t.Errorf("an event that is too large: %v", err)
	}

	// Larger ones again, over the whole budget even.
	client = nil
	server.Stop()
	server.RestartWith("--max-chunk-bytes", "4MiB", "--max-event-bytes", "4MiB")
	options.Budget = flowtrail.MinBudget
	large := connected(t, options, "large")
	for i := range 3 {
		record(t, large, step("large", i, strings.Repeat("y", 3<<20)))
	}
	if stats := flush(t, large); stats.Acknowledged != 4 {
		t.Errorf("%+v", stats)
	}
	if found := one(t, server, "select sum(length(stepdata)) from steps where flowinstanceid = 'large'"); found != fmt.Sprint(9<<20) {
		t.Errorf("%s bytes are stored", found)
	}
}

func TestAClientIsClosedWhileTheServerIsAway(t *testing.T) {
	options, journal := options(t, "127.0.0.1:1")
	options.FlushTime = flowtrail.MaxFlushTime
	client := open(t, options)
	var receipts []flowtrail.Receipt
	for i := range 100 {
		receipts = append(receipts, record(t, client, step("away", i, kibibyte)))
	}
	short, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if err := client.Flush(short); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("flushed to nowhere: %v", err)
	}
	if err := receipts[0].Wait(short); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("answered by nobody: %v", err)
	}
	waiting, answer := make(chan struct{}), make(chan error)
	go func() {
		close(waiting)
		answer <- receipts[99].Wait(t.Context())
	}()
	<-waiting
	closing, cancel := context.WithCancel(t.Context())
	defer cancel()
	closed := make(chan error)
	go func() { closed <- client.Close(closing) }()
	eventually(t, "it takes no more events", func() bool {
		_, err := client.Record(t.Context(), step("away", 100, ""))
		return errors.Is(err, flowtrail.ErrClosed)
	})
	// Whoever closes it as well waits no longer than it wants to.
	if err := client.Close(short); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("closed as well: %v", err)
	}
	cancel()
	err := <-closed
	var unacknowledged *flowtrail.UnacknowledgedError
	if !errors.As(err, &unacknowledged) || unacknowledged.Events < 100 || !errors.Is(err, context.Canceled) {
		t.Fatalf("closed: %v", err)
	}
	if answer := <-answer; answer != err {
		t.Fatalf("who waited heard %v", answer)
	}
	for _, receipt := range receipts {
		if answer := receipt.Wait(t.Context()); answer != err {
			t.Fatalf("an event was answered with %v", answer)
		}
	}
	if err := client.Close(t.Context()); err != nil {
		t.Fatalf("closed again: %v", err)
	}
	if stats := client.Stats(); stats.Recorded < 101 || stats.Dropped != stats.Recorded {
		t.Fatalf("%+v", stats)
	}
	if !strings.Contains(journal.String(), "not connected") || !strings.Contains(journal.String(), "127.0.0.1:1") {
		t.Fatal("no log line names the address")
	}
}
