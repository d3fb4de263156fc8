package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestTheCheckedInCodeIsCurrent(t *testing.T) {
	t.Chdir("..")
	if err := run(t.Context(), true); err != nil {
		t.Fatal(err)
	}
}

func TestEveryDifferenceIsNamedWithItsRemedy(t *testing.T) {
	wanted := map[string]string{
		"flowtrailv1/a.pb.go": "package a\n",
		"flowtrailv1/b.pb.go": "package b\n",
	}
	for name, spoil := range map[string]func(path string) error{
		"a.pb.go": func(path string) error { return os.WriteFile(path, []byte("package a // by hand\n"), 0o644) },
		"b.pb.go": os.Remove,
		"c.pb.go": func(path string) error { return os.WriteFile(path, nil, 0o644) },
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			if err := write(dir, wanted); err != nil {
				t.Fatal(err)
			}
			if err := stale(dir, wanted); err != nil {
				t.Fatalf("just written: %v", err)
			}
			if err := spoil(filepath.Join(dir, parent, name)); err != nil {
				t.Fatal(err)
			}
			err := stale(dir, wanted)
			if err == nil || !strings.Contains(err.Error(), name) || !strings.Contains(err.Error(), remedy) {
				t.Fatalf("the error should name %s and %q: %v", name, remedy, err)
			}
			if err := write(dir, wanted); err != nil {
				t.Fatal(err)
			}
			if err := stale(dir, wanted); err != nil {
				t.Fatalf("written anew: %v", err)
			}
		})
	}
}
