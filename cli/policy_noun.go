package cli

import (
	"context"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/spf13/cobra"

	"github.com/coxswain-hpc/coxswain/api"
	"github.com/coxswain-hpc/coxswain/api/client"
	"github.com/coxswain-hpc/coxswain/cli/output"
)

// policyNoun is the command of a kind of policy object: list, show, set and delete. T is the
// object, S its spec; the names and types of the fields are the API's.
type policyNoun[T, S any] struct {
	a      *app
	name   string
	short  string
	client func(*client.Client) client.Noun[T, S]
	// about takes an object apart.
	about func(T) (name string, generation int64, spec S)
}

func newAccount(a *app) *cobra.Command {
	return policyNoun[api.Account, api.AccountSpec]{
		a, "account", "Accounts: the tenants", (*client.Client).Accounts,
		func(x api.Account) (string, int64, api.AccountSpec) { return x.Name, x.Generation, x.Spec },
	}.command()
}

func newUser(a *app) *cobra.Command {
	return policyNoun[api.User, api.UserSpec]{
		a, "user", "Users: people and their accounts", (*client.Client).Users,
		func(x api.User) (string, int64, api.UserSpec) { return x.Name, x.Generation, x.Spec },
	}.command()
}

func newQOS(a *app) *cobra.Command {
	return policyNoun[api.QOS, api.QOSSpec]{
		a, "qos", "QOS: policy levels", (*client.Client).QOS,
		func(x api.QOS) (string, int64, api.QOSSpec) { return x.Name, x.Generation, x.Spec },
	}.command()
}

func newPartition(a *app) *cobra.Command {
	return policyNoun[api.Partition, api.PartitionSpec]{
		a, "partition", "Partitions: named sets of nodes with limits", (*client.Client).Partitions,
		func(x api.Partition) (string, int64, api.PartitionSpec) { return x.Name, x.Generation, x.Spec },
	}.command()
}

func (n policyNoun[T, S]) command() *cobra.Command {
	return noun(n.name, n.short, n.list(), n.show(), n.set(), n.remove())
}

func (n policyNoun[T, S]) open() (client.Noun[T, S], error) {
	cl, err := n.a.client()
	if err != nil {
		return client.Noun[T, S]{}, err
	}
	return n.client(cl), nil
}

func (n policyNoun[T, S]) list() *cobra.Command {
	return n.a.reading(&cobra.Command{
		Use: "list", Short: "Show all", Args: args(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error {
			cl, err := n.open()
			if err != nil {
				return err
			}
			list, err := cl.List(c.Context())
			if err != nil {
				return err
			}
			return n.a.print(nonNil(list), func() output.Table { return n.table(list) })
		},
	})
}

func (n policyNoun[T, S]) show() *cobra.Command {
	return n.a.reading(&cobra.Command{
		Use: "show NAME...", Short: "Show some", Args: args(cobra.MinimumNArgs(1)),
		RunE: func(c *cobra.Command, args []string) error {
			cl, err := n.open()
			if err != nil {
				return err
			}
			var list []T
			for _, name := range args {
				v, err := cl.Get(c.Context(), name)
				if err != nil {
					return err
				}
				list = append(list, v)
			}
			return n.a.print(list, func() output.Table { return n.table(list) })
		},
	})
}

// table has a column for each field of the spec.
func (n policyNoun[T, S]) table(list []T) output.Table {
	t := output.Table{Empty: "there is none", Columns: []output.Column{{Name: "NAME"}}}
	fields := specFields[S]()
	for _, f := range fields {
		t.Columns = append(t.Columns, output.Column{Name: strings.ToUpper(strings.ReplaceAll(f, "_", " "))})
	}
	for _, x := range list {
		name, _, spec := n.about(x)
		row := []string{name}
		for i := range fields {
			row = append(row, specCell(reflect.ValueOf(spec).Field(i)))
		}
		t.Rows = append(t.Rows, row)
	}
	return t
}

func specCell(v reflect.Value) string {
	if v.IsZero() && v.Kind() != reflect.Int64 {
		return output.None
	}
	if v.Kind() == reflect.Slice {
		parts := make([]string, v.Len())
		for i := range parts {
			parts[i] = fmt.Sprint(v.Index(i))
		}
		return strings.Join(parts, ",")
	}
	return fmt.Sprint(v)
}

// specFields are the names of a spec's fields on the wire, in the order of the type.
func specFields[S any]() []string {
	t := reflect.TypeFor[S]()
	names := make([]string, t.NumField())
	for i := range names {
		names[i], _, _ = strings.Cut(t.Field(i).Tag.Get("json"), ",")
	}
	return names
}

func (n policyNoun[T, S]) set() *cobra.Command {
	return &cobra.Command{
		Use:   "set NAME FIELD=VALUE...",
		Short: "Create one, or change fields of it: " + strings.Join(specFields[S](), ", "),
		Args:  args(cobra.MinimumNArgs(1)),
		RunE:  func(c *cobra.Command, args []string) error { return n.change(c.Context(), args[0], args[1:]) },
	}
}

// change reads the object, changes the named fields, and writes it back unless it changed meanwhile.
func (n policyNoun[T, S]) change(ctx context.Context, name string, fields []string) error {
	cl, err := n.open()
	if err != nil {
		return err
	}
	var generation int64
	var spec S
	old, err := cl.Get(ctx, name)
	switch {
	case err == nil:
		_, generation, spec = n.about(old)
	case api.CodeOf(err) != api.CodeNotFound:
		return err
	}
	if err := setFields(&spec, fields); err != nil {
		return err
	}
	_, err = cl.Put(ctx, name, spec, generation)
	return err
}

// setFields reads FIELD=VALUE with YAML values; lists are written a,b,c.
func setFields[S any](spec *S, fields []string) error {
	known := specFields[S]()
	for _, f := range fields {
		name, text, ok := strings.Cut(f, "=")
		i := slices.Index(known, name)
		if !ok || i < 0 {
			return usagef("%q: write FIELD=VALUE with one of %s", f, strings.Join(known, ", "))
		}
		target := reflect.ValueOf(spec).Elem().Field(i)
		target.SetZero()
		if parse, ok := amountOf(name); ok {
			n, err := parse(text)
			if err != nil {
				return usagef("%s: %w", name, err)
			}
			target.SetInt(n)
			continue
		}
		if target.Kind() == reflect.Slice {
			text = "[" + text + "]"
		}
		if err := yaml.Unmarshal([]byte(text), target.Addr().Interface()); err != nil {
			return usagef("%s: %q does not fit: %s", name, text, firstLine(err.Error()))
		}
	}
	return nil
}

func (n policyNoun[T, S]) remove() *cobra.Command {
	return &cobra.Command{
		Use: "delete NAME...", Short: "Delete some", Args: args(cobra.MinimumNArgs(1)),
		RunE: func(c *cobra.Command, args []string) error {
			cl, err := n.open()
			if err != nil {
				return err
			}
			for _, name := range args {
				if err := cl.Delete(c.Context(), name); err != nil {
					return err
				}
			}
			return nil
		},
	}
}

// put is the change that a document asks for.
func (n policyNoun[T, S]) put(d document) (func(context.Context) error, error) {
	if d.RequestID != "" || d.Payload != nil {
		return nil, api.Errorf(api.CodeInvalid, "line %d: request_id and payload are for jobs, not for a %s",
			max(d.line("request_id"), d.line("payload")), n.name)
	}
	var spec S
	if err := decodeSpec(d, &spec); err != nil {
		return nil, err
	}
	return func(ctx context.Context) error {
		cl, err := n.open()
		if err != nil {
			return err
		}
		if _, err = cl.Put(ctx, d.Name, spec, d.Generation); err != nil {
			return err
		}
		n.a.note(fmt.Sprintf("%s %s is set", d.Kind, d.Name))
		return nil
	}, nil
}
