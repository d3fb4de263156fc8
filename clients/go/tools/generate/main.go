// Command generate writes clients/go/flowtrailv1 from the service's protocol, without protoc: it reads
// the .proto file itself and hands it to the plugins that go.mod pins. Run it in clients/go/tools:
//
//	go run ./generate            writes
//	go run ./generate --check    writes nothing; fails when the checked-in code is stale
package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/bufbuild/protocompile"
	"github.com/bufbuild/protocompile/protoutil"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/pluginpb"
)

const (
	source = "flowtrail/v1/record.proto"
	module = "github.com/flowtrail/flowtrail/clients/go"
	parent = "flowtrailv1"
	// The .proto files name no Go package, so it is said here.
	parameter = "module=" + module + ",M" + source + "=" + module + "/" + parent + ";" + parent
	remedy    = "go -C clients/go/tools run ./generate"
)

// Relative to this module, where `go run` is called.
const (
	protoDir  = "../../../proto"
	clientDir = ".."
)

var plugins = []string{"protoc-gen-go", "protoc-gen-go-grpc"}

func main() {
	check := flag.Bool("check", false, "write nothing; fail when the checked-in code is stale")
	flag.Parse()
	if err := run(context.Background(), *check); err != nil {
		fmt.Fprintln(os.Stderr, "generate:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, check bool) error {
	if _, err := os.Stat(filepath.Join(protoDir, source)); err != nil {
		return fmt.Errorf("%w; run it in clients/go/tools: %s", err, remedy)
	}
	wanted, err := generated(ctx)
	if err != nil {
		return err
	}
	if check {
		return stale(clientDir, wanted)
	}
	return write(clientDir, wanted)
}

// generated returns the files as they should be, by their path below clients/go.
func generated(ctx context.Context) (map[string]string, error) {
	request, err := compile(ctx)
	if err != nil {
		return nil, err
	}
	files := map[string]string{}
	for _, plugin := range plugins {
		response, err := ask(ctx, plugin, request)
		if err != nil {
			return nil, err
		}
		for _, file := range response.GetFile() {
			files[file.GetName()] = file.GetContent()
		}
	}
	return files, nil
}

// compile reads the protocol with its comments and everything it imports.
func compile(ctx context.Context) (*pluginpb.CodeGeneratorRequest, error) {
	compiler := protocompile.Compiler{
		Resolver: protocompile.WithStandardImports(
			&protocompile.SourceResolver{ImportPaths: []string{protoDir}}),
		SourceInfoMode: protocompile.SourceInfoStandard,
	}
	compiled, err := compiler.Compile(ctx, source)
	if err != nil {
		return nil, err
	}
	return &pluginpb.CodeGeneratorRequest{
		FileToGenerate: []string{source},
		Parameter:      proto.String(parameter),
		ProtoFile:      withImports(compiled[0], map[string]bool{}),
	}, nil
}

// withImports lists a file after the files it imports, each once, as plugins want them.
func withImports(
	file protoreflect.FileDescriptor, seen map[string]bool,
) []*descriptorpb.FileDescriptorProto {
	if seen[file.Path()] {
		return nil
	}
	seen[file.Path()] = true
	var all []*descriptorpb.FileDescriptorProto
	for i := range file.Imports().Len() {
		all = append(all, withImports(file.Imports().Get(i).FileDescriptor, seen)...)
	}
	return append(all, protoutil.ProtoFromFileDescriptor(file))
}

// ask runs a plugin.
func ask(
	ctx context.Context, plugin string, request *pluginpb.CodeGeneratorRequest,
) (*pluginpb.CodeGeneratorResponse, error) {
	input, err := proto.MarshalOptions{Deterministic: true}.Marshal(request)
	if err != nil {
		return nil, err
	}
	command := exec.CommandContext(ctx, "go", "tool", plugin)
	command.Stdin = bytes.NewReader(input)
	command.Stderr = os.Stderr
	output, err := command.Output()
	if err != nil {
		return nil, fmt.Errorf("go tool %s: %w", plugin, err)
	}
	response := &pluginpb.CodeGeneratorResponse{}
	if err := proto.Unmarshal(output, response); err != nil {
		return nil, fmt.Errorf("the answer of %s: %w", plugin, err)
	}
	if response.Error != nil {
		return nil, fmt.Errorf("%s: %s", plugin, response.GetError())
	}
	return response, nil
}

// stale returns an error that names every file below dir that is not as wanted.
func stale(dir string, wanted map[string]string) error {
	var paths []string
	for path, content := range wanted {
		found, err := os.ReadFile(filepath.Join(dir, path))
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
		if string(found) != content {
			paths = append(paths, path)
		}
	}
	left, err := leftovers(dir, wanted)
	if err != nil {
		return err
	}
	if paths = append(paths, left...); len(paths) == 0 {
		return nil
	}
	return fmt.Errorf("not what proto/%s says: %s in clients/go; write the code anew: %s",
		source, strings.Join(paths, ", "), remedy)
}

// write makes the files below dir as wanted and removes what is generated no more.
func write(dir string, wanted map[string]string) error {
	left, err := leftovers(dir, wanted)
	if err != nil {
		return err
	}
	for _, path := range left {
		if err := os.Remove(filepath.Join(dir, path)); err != nil {
			return err
		}
	}
	for path, content := range wanted {
		path = filepath.Join(dir, path)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// leftovers lists the generated files below dir that nothing generates any more.
func leftovers(dir string, wanted map[string]string) ([]string, error) {
	found, err := filepath.Glob(filepath.Join(dir, parent, "*.pb.go"))
	if err != nil {
		return nil, err
	}
	var left []string
	for _, path := range found {
		name := filepath.ToSlash(filepath.Join(parent, filepath.Base(path)))
		if _, ok := wanted[name]; !ok {
			left = append(left, name)
		}
	}
	return left, nil
}
