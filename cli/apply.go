package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/goccy/go-yaml"
	"github.com/spf13/cobra"

	"github.com/coxswain-hpc/coxswain/api"
	"github.com/coxswain-hpc/coxswain/api/client"
)

// applyDocumentsMax bounds the documents of one file.
const applyDocumentsMax = 10_000

// document is one object in a file for apply, in the form that `-o yaml` prints, with its kind.
type document struct {
	Kind string `yaml:"kind"`
	Name string `yaml:"name"`
	// Generation, when it is not 0, refuses the change if the object was changed since.
	Generation int64         `yaml:"generation"`
	Spec       yaml.MapSlice `yaml:"spec"`
}

func newApply(a *app) *cobra.Command {
	var file string
	c := &cobra.Command{
		Use: "apply -f FILE", Short: "Create or change the accounts, users, QOS and partitions in a YAML file", Args: args(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error {
			if file == "" {
				return usagef("name a file with -f, or - for standard input")
			}
			return a.apply(c.Context(), file)
		},
	}
	c.Flags().StringVarP(&file, "file", "f", "", "a YAML file of documents with kind, name and spec; - is standard input")
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
	for _, d := range documents {
		if err := a.applyOne(ctx, d); err != nil {
			return err
		}
		a.note(fmt.Sprintf("%s %s is set", d.Kind, d.Name))
	}
	return nil
}

// readDocuments reads all before anything is changed: a typing error changes nothing.
func readDocuments(in io.Reader) ([]document, error) {
	dec := yaml.NewDecoder(in, yaml.Strict())
	var all []document
	for len(all) < applyDocumentsMax {
		var d document
		err := dec.Decode(&d)
		if errors.Is(err, io.EOF) {
			return all, nil
		}
		if err != nil {
			return nil, api.Errorf(api.CodeInvalid, "%s", yaml.FormatError(err, false, true))
		}
		if d.Kind == "" || d.Name == "" {
			return nil, api.Errorf(api.CodeInvalid, "document %d: kind and name are needed", len(all)+1)
		}
		all = append(all, d)
	}
	return nil, api.Errorf(api.CodeLimit, "more than %d documents; split the file", applyDocumentsMax)
}

func (a *app) applyOne(ctx context.Context, d document) error {
	text, err := yaml.MarshalWithOptions(d.Spec, yaml.JSON())
	if err != nil {
		return api.Errorf(api.CodeInvalid, "%s %s: %w", d.Kind, d.Name, err)
	}
	switch api.Kind(d.Kind) {
	case api.KindAccount:
		return policyNoun[api.Account, api.AccountSpec]{a: a, name: d.Kind, client: (*client.Client).Accounts}.
			put(ctx, d.Name, d.Generation, text)
	case api.KindUser:
		return policyNoun[api.User, api.UserSpec]{a: a, name: d.Kind, client: (*client.Client).Users}.
			put(ctx, d.Name, d.Generation, text)
	case api.KindQOS:
		return policyNoun[api.QOS, api.QOSSpec]{a: a, name: d.Kind, client: (*client.Client).QOS}.
			put(ctx, d.Name, d.Generation, text)
	case api.KindPartition:
		return policyNoun[api.Partition, api.PartitionSpec]{a: a, name: d.Kind, client: (*client.Client).Partitions}.
			put(ctx, d.Name, d.Generation, text)
	}
	return api.Errorf(api.CodeUnsupported, "%q is no kind that can be applied; account, user, qos and partition can", d.Kind)
}
