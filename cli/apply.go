package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"reflect"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
	"github.com/spf13/cobra"

	"github.com/coxswain-hpc/coxswain/api"
	"github.com/coxswain-hpc/coxswain/api/client"
)

const (
	// applyDocumentsMax bounds the documents of one file.
	applyDocumentsMax = 10_000
	// applyBytesMax bounds the file: scripts may be in it.
	applyBytesMax = 64 << 20
)

// document is one object in a file for apply: the API's names, with quantities as in Kubernetes.
type document struct {
	Kind string `yaml:"kind"`
	Name string `yaml:"name"`
	// Generation, when it is not 0, refuses the change if the object was changed since.
	Generation int64    `yaml:"generation"`
	Spec       ast.Node `yaml:"spec"`
	// RequestID and Payload are a job's.
	RequestID string      `yaml:"request_id"`
	Payload   *jobPayload `yaml:"payload"`

	// root is the document itself, to find the lines of fields.
	root ast.Node
}

const applyLong = `Create or change the accounts, users, QOS and partitions in a YAML file, and submit its
jobs.

A document has a kind, a name and a spec with the fields of the API. Amounts are numbers in the unit of
the field's name, or quantities as in Kubernetes (memory_bytes: 16Gi, cpu_millis: 500m); in requests and
limits also memory: 16Gi and cpus: 2. All of the file is read before anything is changed.

  kind: job
  name: hello
  spec:
    time_limit_seconds: 300
    roles:
      - template:
          containers: [{main: true, requests: {cpus: 2, memory: 4Gi}}]
  payload:
    script: |
      #!/bin/sh
      echo hello

A job is a new one each time, unless it has a request_id: then the same one comes back. Without an
environment in the payload it starts from a login environment; #SBATCH lines of its script are comments.`

func newApply(a *app) *cobra.Command {
	var file string
	c := &cobra.Command{
		Use: "apply -f FILE", Short: "Create or change what a YAML file describes", Long: applyLong,
		Args: args(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error {
			if file == "" {
				return usagef("name a file with -f, or - for standard input")
			}
			return a.apply(c.Context(), file)
		},
	}
	c.Flags().StringVarP(&file, "file", "f", "",
		"a YAML file of documents with kind, name and spec; - is standard input")
	return c
}

func (a *app) apply(ctx context.Context, path string) error {
	in := a.Stdin
	if path != "-" {
		file, err := os.Open(path)
		if err != nil {
			return usageError{err}
		}
		defer file.Close() //nolint:errcheck // only read
		in = file
	}
	documents, err := readDocuments(in)
	if err != nil {
		return err
	}
	changes := make([]func(context.Context) error, len(documents))
	for i, d := range documents {
		if changes[i], err = a.change(d); err != nil {
			return err
		}
	}
	for i, d := range documents {
		if err := changes[i](ctx); err != nil {
			return d.locate(err)
		}
	}
	return nil
}

// readDocuments reads all before anything is changed: a typing error changes nothing.
func readDocuments(in io.Reader) ([]document, error) {
	text, err := io.ReadAll(io.LimitReader(in, applyBytesMax+1))
	if err != nil {
		return nil, api.Errorf(api.CodeInvalid, "read the file: %w", err)
	}
	if len(text) > applyBytesMax {
		return nil, api.Errorf(api.CodeLimit, "the file is larger than %s; split it",
			api.FormatBytes(applyBytesMax))
	}
	file, err := parser.ParseBytes(text, 0)
	if err != nil {
		return nil, yamlError(err)
	}
	var all []document
	for _, doc := range file.Docs {
		if doc.Body == nil {
			continue
		}
		if len(all) == applyDocumentsMax {
			return nil, api.Errorf(api.CodeLimit, "more than %d documents; split the file", applyDocumentsMax)
		}
		d := document{root: doc.Body}
		if err := yaml.NodeToValue(doc.Body, &d, yaml.Strict()); err != nil {
			return nil, yamlError(err)
		}
		if d.Kind == "" || d.Name == "" {
			return nil, api.Errorf(api.CodeInvalid, "line %d: kind and name are needed",
				doc.Body.GetToken().Position.Line)
		}
		all = append(all, d)
	}
	return all, nil
}

// yamlError shows the line that is wrong.
func yamlError(err error) error {
	return api.Errorf(api.CodeInvalid, "%s", yaml.FormatError(err, false, true))
}

// change is what a document asks for, ready to be done.
func (a *app) change(d document) (func(context.Context) error, error) {
	switch api.Kind(d.Kind) {
	case api.KindAccount:
		return policyNoun[api.Account, api.AccountSpec]{a: a, name: d.Kind, client: (*client.Client).Accounts}.
			put(d)
	case api.KindUser:
		return policyNoun[api.User, api.UserSpec]{a: a, name: d.Kind, client: (*client.Client).Users}.put(d)
	case api.KindQOS:
		return policyNoun[api.QOS, api.QOSSpec]{a: a, name: d.Kind, client: (*client.Client).QOS}.put(d)
	case api.KindPartition:
		return policyNoun[api.Partition, api.PartitionSpec]{
			a: a, name: d.Kind, client: (*client.Client).Partitions,
		}.put(d)
	case api.KindJob:
		return a.submission(d)
	case api.KindPod, api.KindNode, api.KindToken, api.KindSignal: // not a user's to write
	}
	return nil, api.Errorf(api.CodeUnsupported,
		"line %d: %q is no kind that can be applied; account, user, qos, partition and job can",
		d.line("kind"), d.Kind)
}

// decodeSpec reads a spec, refusing fields that the API does not have.
func decodeSpec(d document, spec any) error {
	if d.Spec == nil {
		return nil
	}
	if err := readAmounts(d.Spec, reflect.TypeOf(spec), "spec"); err != nil {
		return err
	}
	if err := yaml.NodeToValue(d.Spec, spec, yaml.Strict()); err != nil {
		return yamlError(err)
	}
	return nil
}

// node finds a field by its path on the wire, such as spec.roles[0].name; nil if it is not there.
func (d document) node(field string) ast.Node {
	path, err := yaml.PathString("$." + field)
	if err != nil {
		return nil
	}
	node, err := path.FilterNode(d.root)
	if err != nil {
		return nil
	}
	return node
}

// line is where a field stands; 0 if it is not there.
func (d document) line(field string) int {
	if node := d.node(field); node != nil {
		return node.GetToken().Position.Line
	}
	return 0
}

// locate adds to what the server says of fields the lines where they stand.
func (d document) locate(err error) error {
	var e *api.Error
	if !errors.As(err, &e) {
		return err
	}
	located := *e
	located.Message = fmt.Sprintf("%s %s: %s", d.Kind, d.Name, e.Message)
	located.Fields = nil
	for _, f := range e.Fields {
		if line := d.line(f.Field); line > 0 {
			f.Field = fmt.Sprintf("line %d, %s", line, f.Field)
		}
		located.Fields = append(located.Fields, f)
	}
	return &located
}
