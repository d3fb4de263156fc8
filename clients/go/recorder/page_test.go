package recorder

import (
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	flowtrail "github.com/flowtrail/flowtrail/clients/go"
)

func contents(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.FromSlash("../../../" + path))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// table is the rows of the page's table whose first column has that title, as cells.
func table(t *testing.T, page, title string) [][]string {
	t.Helper()
	_, rest, found := strings.Cut(page, "\n| "+title+" |")
	if !found {
		t.Fatalf("no table of %s", title)
	}
	var rows [][]string
	for _, line := range strings.Split(rest, "\n")[2:] {
		cells := strings.Split(strings.Trim(line, "|"), "|")
		if len(cells) < 2 {
			break
		}
		for i := range cells {
			cells[i] = strings.TrimSpace(cells[i])
		}
		rows = append(rows, cells)
	}
	return rows
}

// code is what a cell has in backticks.
func code(cell string) []string {
	var words []string
	for i, part := range strings.Split(cell, "`") {
		if i%2 == 1 {
			words = append(words, part)
		}
	}
	return words
}

func TestThePageHasEverySettingItsVariableAndItsDefault(t *testing.T) {
	for _, variable := range Variables {
		t.Setenv(variable, "")
	}
	defaults, err := ParseSettings(nil)
	if err != nil {
		t.Fatal(err)
	}
	told := map[string]string{}
	for _, row := range table(t, contents(t, "docs/flogo.md"), "key") {
		key := code(row[0])[0]
		told[key] = code(row[1])[0]
		if value := code(row[2]); value != nil {
			got, err := ParseSettings(map[string]any{key: value[0]})
			if err != nil || !reflect.DeepEqual(got, defaults) {
				t.Errorf("%s: %s is not its default: %+v, %v", key, value[0], got, err)
			}
		} else if !strings.HasPrefix(key, "tls") {
			t.Errorf("%s: no default", key)
		}
	}
	if !reflect.DeepEqual(told, Variables) {
		t.Errorf("the page has %v, the recorder %v", told, Variables)
	}
}

func TestThePageHasEveryCount(t *testing.T) {
	told := map[string]uint64{}
	for _, row := range table(t, contents(t, "docs/flogo.md"), "count") {
		told[code(row[0])[0]] = 0
	}
	if shown := counts(flowtrail.Stats{}); !reflect.DeepEqual(told, shown) {
		t.Errorf("the page has %v, expvar %v", told, shown)
	}
}

func TestThePageQuotesLogLinesOfTheSources(t *testing.T) {
	var sources strings.Builder
	for _, pattern := range []string{"*.go", "../*.go"} {
		files, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			if strings.HasSuffix(file, "_test.go") {
				continue
			}
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			sources.Write(text)
		}
	}
	rows := table(t, contents(t, "docs/flogo.md"), "log")
	for _, row := range rows {
		for _, line := range code(row[0]) {
			if !strings.Contains(sources.String(), line) {
				t.Errorf("nothing logs %q", line)
			}
		}
	}
	if len(rows) < 8 {
		t.Errorf("%d rows", len(rows))
	}
}

func TestThePageHasTheEnginesConfigurationOfTheExample(t *testing.T) {
	page := contents(t, "docs/flogo.md")
	if config := contents(t, "clients/go/example/engine.json"); !strings.Contains(page, "```json\n"+config+"```") {
		t.Error("its engine.json is not that of clients/go/example")
	}
}

func TestThePageShowsTheClientAsTheExampleUsesIt(t *testing.T) {
	blocks := strings.Split(contents(t, "docs/flogo.md"), "```")
	last := strings.Split(strings.TrimPrefix(blocks[len(blocks)-2], "go\n"), "\n")
	example := strings.Split(contents(t, "clients/go/example_test.go"), "\n")
	for i := range example {
		example[i] = strings.TrimSpace(example[i])
	}
	begin := slices.Index(example, strings.TrimSpace(last[0]))
	for i, line := range last[:len(last)-1] {
		if begin < 0 || example[begin+i] != strings.TrimSpace(line) {
			t.Fatalf("line %d of the page's: %s", i+1, line)
		}
	}
}
