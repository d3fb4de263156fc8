package recorder

import (
	"encoding/json"
	"math"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/project-flogo/flow/state"
	"github.com/project-flogo/flow/state/change"
)

// The bytes of a step are those of encoding/json, which flow-state stores and tools compare. Its
// reflection takes half of what recording costs, so what steps are made of is written here, and
// encoding/json gets the rest: other types, texts that need escapes, what is nested very deeply.

// deepest is how many values are nested before encoding/json takes over, which knows of cycles.
const deepest = 64

// appendStep appends the JSON of a step.
func appendStep(b []byte, step *state.Step) ([]byte, error) {
	w := writer{b: b}
	w.text(`{"id":`).int(step.Id)
	w.text(`,"flowId":`).string(step.FlowId)
	w.text(`,"flowChanges":`)
	object(&w, step.FlowChanges, numerals, (*writer).flow)
	if len(step.QueueChanges) > 0 {
		w.text(`,"queueChanges":`)
		object(&w, step.QueueChanges, numerals, (*writer).queue)
	}
	w.text(`,"starttime":`).time(step.StartTime)
	w.text(`,"endtime":`).time(step.EndTime)
	w.text(`,"rerun":`).bool(step.Rerun).text(`}`)
	return w.b, w.err
}

// appendObject appends the JSON of inputs or outputs.
func appendObject(b []byte, values map[string]any) ([]byte, error) {
	w := writer{b: b}
	w.values(values, 0)
	return w.b, w.err
}

// writer appends JSON and keeps the first error.
type writer struct {
	b   []byte
	err error
}

func (w *writer) flow(flow *change.Flow) {
	if flow == nil {
		w.text("null")
		return
	}
	w.text(`{"newFlow":`).bool(flow.NewFlow)
	w.text(`,"flowURI":`).string(flow.FlowURI)
	w.text(`,"subflowId":`).int(flow.SubflowId)
	w.text(`,"taskId":`).string(flow.TaskId)
	w.text(`,"status":`).int(flow.Status)
	w.text(`,"attrs":`).values(flow.Attrs, 0)
	w.text(`,"tasks":`)
	object(w, flow.Tasks, names, (*writer).task)
	w.text(`,"links":`)
	object(w, flow.Links, numerals, (*writer).link)
	w.text(`,"returnData":`).values(flow.ReturnData, 0)
	w.text(`}`)
}

func (w *writer) task(task *change.Task) {
	if task == nil {
		w.text("null")
		return
	}
	w.text(`{"change":`).int(int(task.ChgType))
	w.text(`,"status":`).int(task.Status)
	w.text(`,"input":`).values(task.Input, 0)
	w.text(`}`)
}

func (w *writer) link(link *change.Link) {
	if link == nil {
		w.text("null")
		return
	}
	w.text(`{"change":`).int(int(link.ChgType))
	w.text(`,"status":`).int(link.Status)
	w.text(`,"from":`).string(link.From)
	w.text(`,"to":`).string(link.To)
	w.text(`}`)
}

func (w *writer) queue(queued *change.Queue) {
	if queued == nil {
		w.text("null")
		return
	}
	w.text(`{"change":`).int(int(queued.ChgType))
	w.text(`,"subflowId":`).int(queued.SubflowId)
	w.text(`,"taskId":`).string(queued.TaskId)
	w.text(`}`)
}

// keys are the sorted names of an object, and the number behind each where it is one.
type keys[K comparable] struct {
	pool  sync.Pool
	sort  func([]K)
	write func(*writer, K)
}

var (
	names = &keys[string]{sort: slices.Sort[[]string], write: func(w *writer, key string) { w.string(key) }}
	// Names are sorted as texts: 10 stands before 2.
	numerals = &keys[int]{
		sort: func(keys []int) {
			slices.SortFunc(keys, func(a, b int) int {
				var left, right [20]byte
				return slices.Compare(strconv.AppendInt(left[:0], int64(a), 10), strconv.AppendInt(right[:0], int64(b), 10))
			})
		},
		write: func(w *writer, key int) { w.text(`"`).int(key).text(`"`) },
	}
)

// object writes a map in the order of its names.
func object[K comparable, V any](w *writer, values map[K]V, keys *keys[K], value func(*writer, V)) {
	if values == nil {
		w.text("null")
		return
	}
	if len(values) <= 1 {
		w.text(`{`)
		for key, only := range values {
			keys.write(w, key)
			w.text(`:`)
			value(w, only)
		}
		w.text(`}`)
		return
	}
	sorted, _ := keys.pool.Get().(*[]K)
	if sorted == nil {
		sorted = new([]K)
	}
	present := (*sorted)[:0]
	for key := range values {
		present = append(present, key)
	}
	keys.sort(present)
	w.text(`{`)
	for i, key := range present {
		if i > 0 {
			w.text(`,`)
		}
		keys.write(w, key)
		w.text(`:`)
		value(w, values[key])
	}
	w.text(`}`)
	clear(present)
	*sorted = present
	keys.pool.Put(sorted)
}

func (w *writer) values(values map[string]any, depth int) *writer {
	object(w, values, names, func(w *writer, value any) { w.value(value, depth+1) })
	return w
}

func (w *writer) value(value any, depth int) {
	if depth > deepest {
		w.other(value)
		return
	}
	switch value := value.(type) {
	case nil:
		w.text("null")
	case string:
		w.string(value)
	case bool:
		w.bool(value)
	case int:
		w.int(value)
	case int64:
		w.b = strconv.AppendInt(w.b, value, 10)
	case float64:
		w.float(value)
	case map[string]any:
		w.values(value, depth)
	case []any:
		w.list(value, depth)
	default:
		w.other(value)
	}
}

func (w *writer) list(list []any, depth int) {
	if list == nil {
		w.text("null")
		return
	}
	w.text(`[`)
	for i, value := range list {
		if i > 0 {
			w.text(`,`)
		}
		w.value(value, depth+1)
	}
	w.text(`]`)
}

func (w *writer) text(text string) *writer {
	w.b = append(w.b, text...)
	return w
}

func (w *writer) bool(value bool) *writer {
	w.b = strconv.AppendBool(w.b, value)
	return w
}

func (w *writer) int(value int) *writer {
	w.b = strconv.AppendInt(w.b, int64(value), 10)
	return w
}

// float writes a number the way ES6 does where that needs no exponent.
func (w *writer) float(value float64) {
	size := math.Abs(value)
	if size != 0 && (size < 1e-6 || size >= 1e21) || math.IsNaN(value) {
		w.other(value)
		return
	}
	w.b = strconv.AppendFloat(w.b, value, 'f', -1, 64)
}

// string writes a text; one that needs an escape is left to encoding/json.
func (w *writer) string(value string) *writer {
	for i := range len(value) {
		if c := value[i]; c < ' ' || c > '~' || c == '"' || c == '\\' || c == '<' || c == '>' || c == '&' {
			w.other(value)
			return w
		}
	}
	w.b = append(append(append(w.b, '"'), value...), '"')
	return w
}

func (w *writer) time(value time.Time) {
	if year := value.Year(); value.Location() != time.UTC || year < 0 || year > 9999 {
		w.other(value)
		return
	}
	w.b = append(value.AppendFormat(append(w.b, '"'), time.RFC3339Nano), '"')
}

func (w *writer) other(value any) {
	encoded, err := json.Marshal(value)
	if err != nil && w.err == nil {
		w.err = err
	}
	w.b = append(w.b, encoded...)
}
