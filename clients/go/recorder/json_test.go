package recorder

import (
	"encoding/json"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/project-flogo/flow/state"
	"github.com/project-flogo/flow/state/change"
)

// world makes values of every shape that a flow can hold.
type world struct{ *rand.Rand }

var words = []string{
	"", "a", "qty", "total", "_A.price.total", `quote " and \ back`, "<tag>&amp;", "Grüße", "🚚", "line\u2028end",
	"\x00\x1f", "\x7f", "broken \xff", "a long text that needs no escape at all, and is not short either",
}

func (w world) word() string {
	return words[w.IntN(len(words))]
}

func (w world) value(depth int) any {
	switch n := w.IntN(14); {
	case n == 0:
		return nil
	case n == 1:
		return w.IntN(2) == 0
	case n == 2:
		return w.IntN(1000) - 500
	case n == 3:
		return int64(w.Uint64())
	case n == 4:
		return math.Float64frombits(w.Uint64()&^(1<<62) | 1<<61)
	case n == 5:
		return []any{w.NormFloat64() * 1e7, 0.0, math.Copysign(0, -1), 1e21, 1e20, 1e-6, 1e-7, -12.0, 5e-324}[w.IntN(9)]
	case n == 6:
		return json.Number("1.50")
	case n == 7:
		return time.Unix(w.Int64N(1<<33), w.Int64N(1e9))
	case n == 8:
		return []byte(w.word())
	case n == 9:
		return struct {
			B string `json:"b"`
			A any    `json:"a,omitempty"`
		}{w.word(), w.word()}
	case n == 10 && depth < 4:
		var list []any
		for range w.IntN(4) {
			list = append(list, w.value(depth+1))
		}
		return list
	case n == 11 && depth < 4:
		return w.values(depth + 1)
	default:
		return w.word()
	}
}

func (w world) values(depth int) map[string]any {
	if w.IntN(5) == 0 {
		return nil
	}
	values := map[string]any{}
	for range w.IntN(5) {
		values[w.word()] = w.value(depth)
	}
	return values
}

func many[V any](w world, value func() V) map[int]*V {
	if w.IntN(5) == 0 {
		return nil
	}
	values := map[int]*V{}
	for range w.IntN(4) {
		value := value()
		values[w.IntN(40)] = &value
		if w.IntN(10) == 0 {
			values[w.IntN(40)] = nil
		}
	}
	return values
}

func (w world) step() *state.Step {
	at := time.Unix(w.Int64N(1<<33), w.Int64N(1e9))
	if w.IntN(4) > 0 {
		at = at.UTC()
	}
	return &state.Step{
		Id:     w.IntN(100),
		FlowId: w.word(),
		FlowChanges: many(w, func() change.Flow {
			tasks := map[string]*change.Task{}
			for range w.IntN(3) {
				tasks[w.word()] = &change.Task{ChgType: change.Type(w.IntN(3)), Status: w.IntN(110), Input: w.values(0)}
			}
			return change.Flow{
				NewFlow: w.IntN(2) == 0, FlowURI: w.word(), SubflowId: w.IntN(3), TaskId: w.word(), Status: w.IntN(700),
				Attrs: w.values(0), Tasks: tasks, ReturnData: w.values(0),
				Links: many(w, func() change.Link {
					return change.Link{ChgType: change.Type(w.IntN(3)), Status: w.IntN(4), From: w.word(), To: w.word()}
				}),
			}
		}),
		QueueChanges: many(w, func() change.Queue {
			return change.Queue{ChgType: change.Type(w.IntN(3)), SubflowId: w.IntN(3), TaskId: w.word()}
		}),
		StartTime: at,
		EndTime:   []time.Time{{}, at.Add(time.Millisecond), at.In(time.FixedZone("", 19800))}[w.IntN(3)],
		Rerun:     w.IntN(2) == 0,
	}
}

func TestStepsHaveTheBytesOfEncodingJSON(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	w := world{rand.New(rand.NewPCG(seed, 1))}
	for range 20_000 {
		step := w.step()
		expected, err := json.Marshal(step)
		if err != nil {
			t.Fatal(err)
		}
		got, err := appendStep(nil, step)
		if err != nil || string(got) != string(expected) {
			t.Fatalf("%v\n got %s\nwant %s", err, got, expected)
		}
	}
}

func TestWhatJSONCannotHoldIsAnError(t *testing.T) {
	cycle := map[string]any{}
	cycle["again"] = []any{cycle}
	for name, value := range map[string]any{
		"NaN": math.NaN(), "infinity": math.Inf(1), "channel": make(chan int), "function": func() {}, "cycle": cycle,
	} {
		step := &state.Step{FlowChanges: map[int]*change.Flow{0: {Attrs: map[string]any{"deep": []any{value}}}}}
		if _, err := appendStep(nil, step); err == nil {
			t.Errorf("%s: no error", name)
		}
		if _, err := appendObject(nil, map[string]any{"value": value}); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func BenchmarkStep(b *testing.B) {
	var step state.Step
	body := `{"id":2,"flowId":"8d1ae5262c52409bb5f949842f06e438","flowChanges":{"0":{"flowURI":"res://flow:intake","taskId":"price",
		"attrs":{"_A.price.total":125,"note":"some text of a usual length","list":[1,2,3]},"tasks":{"price":{"change":1,"status":30,"input":{"qty":50}},
		"big":{"change":0,"status":20}},"links":{"0":{"status":2,"from":"price","to":"big"},"1":{"status":1,"from":"price","to":"small"}}}},
		"queueChanges":{"2":{"change":2,"taskId":"price"},"3":{"taskId":"calc"}},"starttime":"2026-11-20T19:57:35.842723249Z","endtime":"2026-11-20T19:57:35.842758391Z"}`
	if err := json.Unmarshal([]byte(body), &step); err != nil {
		b.Fatal(err)
	}
	b.Run("appendStep", func(b *testing.B) {
		var buffer []byte
		for b.Loop() {
			buffer, _ = appendStep(buffer[:0], &step)
		}
	})
	b.Run("encoding/json", func(b *testing.B) {
		for b.Loop() {
			if _, err := json.Marshal(&step); err != nil {
				b.Fatal(err)
			}
		}
	})
}
