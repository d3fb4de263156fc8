package main

import (
	"fmt"
	"reflect"
	"strings"
)

// flow is one flow of flogo.json as the load runs it: what it takes besides its number, and what has
// to become of it.
type flow struct {
	name   string
	inputs func(number int) map[string]any
	answer func(number int) any
	// err is a part of the error that it has to end with; empty for a flow that completes.
	err string
	// detached names the flow that it starts and does not wait for.
	detached string
}

// Flows that are not among all.
const (
	// ten is the flow of the benchmarks: ten tasks.
	ten = "ten"
	// dawdles takes a second and a half.
	dawdles = "dawdles"
)

// text holds what JSON, HTML and line-based tools stumble over.
const text = "Grüße, 日本語 \u2028\u2029 <&> \"\\/ \t\r\n 🚚 e\u0301 \u0001\u007f\ufeff"

// cargo is a MiB.
var cargo = strings.Repeat("0123456789abcde\n", 1<<16)

var flows = []flow{
	{name: "succeeds", inputs: with("values", values), answer: always(values)},
	{name: "fails", err: "the shelf is empty"},
	{name: "recovers", answer: always("the shelf is empty")},
	{name: "detours", answer: always("the road is closed")},
	{name: "branches", answer: func(number int) any { return []string{"even", "odd"}[number%2] }},
	{name: "loops", inputs: with("parcels", []any{"a", "b", "c"}), answer: always(3)},
	{name: "forks", answer: always(map[string]any{"left": "left", "middle": "middle", "right": "right"})},
	{name: "nests", answer: func(number int) any { return 2 * number }},
	{name: "inherits", err: "the box fell"},
	{name: "rescues", answer: always("the box fell")},
	{name: "posts", answer: always("sent"), detached: "notice"},
	{name: "carries", inputs: with("cargo", cargo), answer: always(cargo)},
	{name: "Grüße \u2028 <&> 🚚", inputs: with("text", text), answer: always(text)},
	{name: ten, answer: func(number int) any { return number }},
	{name: dawdles, answer: func(number int) any { return number }},
}

// values is one of everything JSON has, and numbers that do not survive a float.
var values = map[string]any{
	"null": nil, "true": true, "empty": "", "none": []any{}, "nothing": map[string]any{},
	"large": int64(9007199254740993), "small": 5e-324, "huge": 1.7976931348623157e308, "third": 1.0 / 3,
	"minus": -0.5, "list": []any{1, "2", 3.5, []any{nil}}, "deep": map[string]any{"a": map[string]any{"b": "c"}},
}

func with(name string, value any) func(int) map[string]any {
	return func(int) map[string]any { return map[string]any{name: value} }
}

func always(value any) func(int) any {
	return func(int) any { return value }
}

func names() []string {
	var names []string
	for _, flow := range flows {
		names = append(names, flow.name)
	}
	return names
}

// scenario is the flows that a name on the command line stands for, none when it is wrong.
func scenario(name string) []flow {
	var chosen []flow
	for _, flow := range flows {
		if flow.name == name || name == "all" && flow.name != ten && flow.name != dawdles {
			chosen = append(chosen, flow)
		}
	}
	return chosen
}

// take makes the inputs of a run.
func (f flow) take(number int) map[string]any {
	inputs := map[string]any{}
	if f.inputs != nil {
		inputs = f.inputs(number)
	}
	inputs["number"] = number
	return inputs
}

// check tells what is wrong with how a run ended, if anything.
func (f flow) check(number int, outputs map[string]any, err error) error {
	switch {
	case f.err != "":
		if err == nil || !strings.Contains(err.Error(), f.err) {
			return fmt.Errorf("it ended with %v, not with %s", err, f.err)
		}
	case err != nil:
		return err
	case f.answer != nil && !same(outputs["answer"], f.answer(number)):
		return fmt.Errorf("it answered %.200v", outputs["answer"])
	}
	return nil
}

// same compares as JSON would: the engine turns a number's type into another.
func same(one, other any) bool {
	return reflect.DeepEqual(one, other) || fmt.Sprint(one) == fmt.Sprint(other)
}
