package cli

import (
	"fmt"
	"reflect"
	"strconv"
	"strings"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/token"

	"github.com/coxswain-hpc/coxswain/api"
)

// amountOf is the reader of an amount, for a field on the wire that is one. The names carry the units: a
// field that comes later is an amount by its name.
func amountOf(field string) (parse func(string) (int64, error), ok bool) {
	switch {
	case strings.HasSuffix(field, "_bytes"):
		return api.ParseMemoryYAML, true
	case field == "cpu_millis":
		return api.ParseCPUs, true
	}
	return nil, false
}

// longNames are the fields of resources that the short names stand for. Under its own name a bare number is
// in the name's unit; under its short name it is whole CPUs, or bytes.
var longNames = map[string]string{"memory": "memory_bytes", "cpus": "cpu_millis"}

// readAmounts turns the quantities below a node into the numbers of the API, in place. t is the type that
// the node is for, nil for none: unknown fields are the decoder's to refuse, while it would cut a
// fraction off without a word.
func readAmounts(node ast.Node, t reflect.Type, path string) error {
	for t != nil && t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch n := node.(type) {
	case *ast.MappingNode:
		for _, v := range n.Values {
			if err := readAmount(v, t, path); err != nil {
				return err
			}
		}
	case *ast.MappingValueNode:
		return readAmount(n, t, path)
	case *ast.SequenceNode:
		for i, v := range n.Values {
			if err := readAmounts(v, elementOf(t), fmt.Sprintf("%s[%d]", path, i)); err != nil {
				return err
			}
		}
	case *ast.AnchorNode:
		return readAmounts(n.Value, t, path)
	case *ast.FloatNode:
		if t != nil && (t.Kind() == reflect.Int64 || t.Kind() == reflect.Int32 || t.Kind() == reflect.Int) {
			return api.Errorf(api.CodeInvalid, "line %d, %s: must be a whole number", n.Token.Position.Line, path)
		}
	}
	return nil
}

func readAmount(v *ast.MappingValueNode, t reflect.Type, path string) error {
	name := v.Key.GetToken().Value
	short := false
	if t == reflect.TypeFor[api.Resources]() {
		if long, ok := longNames[name]; ok {
			v.Key = &ast.StringNode{BaseNode: &ast.BaseNode{}, Token: v.Key.GetToken(), Value: long}
			name, short = long, true
		}
	}
	parse, ok := amountOf(name)
	_, text := v.Value.(*ast.StringNode)
	if _, scalar := v.Value.(ast.ScalarNode); !ok || !scalar || (!text && !short) {
		return readAmounts(v.Value, fieldOf(t, name), path+"."+name)
	}
	from := v.Value.GetToken()
	n, err := parse(from.Value)
	if err != nil {
		return api.Errorf(api.CodeOf(err), "line %d, %s.%s: %w", from.Position.Line, path, name, err)
	}
	number := strconv.FormatInt(n, 10)
	v.Value = ast.Integer(token.New(number, number, from.Position))
	return nil
}

// elementOf is the type of a list's elements.
func elementOf(t reflect.Type) reflect.Type {
	if t == nil || t.Kind() != reflect.Slice {
		return nil
	}
	return t.Elem()
}

// fieldOf is the type of a field by its name on the wire.
func fieldOf(t reflect.Type, name string) reflect.Type {
	if t == nil {
		return nil
	}
	if t.Kind() == reflect.Map {
		return t.Elem()
	}
	if t.Kind() != reflect.Struct {
		return nil
	}
	for field := range t.Fields() {
		if tag, _, _ := strings.Cut(field.Tag.Get("json"), ","); tag == name {
			return field.Type
		}
	}
	return nil
}
