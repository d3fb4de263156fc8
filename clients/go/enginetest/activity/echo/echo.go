// Package echo is the cheapest activity: what comes in goes out.
package echo

import "github.com/project-flogo/core/activity"

// Input of a task.
type Input struct {
	// Value is any value at all.
	Value any `md:"value"`
}

// ToMap is the input by its names.
func (i *Input) ToMap() map[string]any {
	return map[string]any{"value": i.Value}
}

// FromMap takes the input from its names.
func (i *Input) FromMap(values map[string]any) error {
	i.Value = values["value"]
	return nil
}

// Output of a task.
type Output struct {
	// Value is what came in.
	Value any `md:"value"`
}

// ToMap is the output by its names.
func (o *Output) ToMap() map[string]any {
	return map[string]any{"value": o.Value}
}

// FromMap takes the output from its names.
func (o *Output) FromMap(values map[string]any) error {
	o.Value = values["value"]
	return nil
}

// Activity answers with its input.
type Activity struct{}

var metadata = activity.ToMetadata(&Input{}, &Output{})

func init() {
	if err := activity.Register(&Activity{}); err != nil {
		panic(err)
	}
}

// Metadata tells the inputs and outputs.
func (*Activity) Metadata() *activity.Metadata {
	return metadata
}

// Eval copies the input.
func (*Activity) Eval(ctx activity.Context) (bool, error) {
	return true, ctx.SetOutput("value", ctx.GetInput("value"))
}
