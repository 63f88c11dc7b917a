package apiserver

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"slices"
	"strings"

	"github.com/coxswain-hpc/coxswain/api"
)

// body is the JSON body of a request. Huma hands it over as bytes and only documents its schema: one
// strict decoding is several times cheaper than huma's validation, and names fields by their path.
type body[T any] struct {
	RawBody []byte `contentType:"application/json"`
}

func (body[T]) bodyType() reflect.Type { return reflect.TypeFor[T]() }

// optionalBody is a body that may be missing: every field then has its zero value.
type optionalBody[T any] struct{ body[T] }

func (optionalBody[T]) optional() {}

func (b optionalBody[T]) decode() (T, error) {
	if len(b.RawBody) == 0 {
		var v T
		return v, nil
	}
	return b.body.decode()
}

// decode reads the body; the error says which field is wrong or unknown.
func (b body[T]) decode() (T, error) {
	var v T
	err := decodeStrict(b.RawBody, &v)
	return v, err
}

func decodeStrict(data []byte, v any) error {
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	err := d.Decode(v)
	if err == nil {
		if _, err := d.Token(); !errors.Is(err, io.EOF) {
			return api.Errorf(api.CodeInvalid, "the body has something after its JSON value")
		}
		return nil
	}
	return explainDecode(data, reflect.TypeOf(v).Elem(), err)
}

func explainDecode(data []byte, t reflect.Type, err error) error {
	if wrongType, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		return &api.Error{
			Code: api.CodeInvalid, Message: "the body has a value of the wrong type",
			Fields: []api.FieldError{
				{Field: wrongType.Field, Message: fmt.Sprintf("is a JSON %s, but must be %s", wrongType.Value,
					jsonTypeName(wrongType.Type))},
			},
		}
	}
	var generic any
	if json.Unmarshal(data, &generic) == nil {
		if unknown := unknownFields("", generic, t, nil); len(unknown) > 0 {
			return &api.Error{
				Code: api.CodeUnknownField, Message: "the body has a field that the API does not have",
				Fields: unknown,
			}
		}
	}
	return api.Errorf(api.CodeInvalid, "the body can't be read as JSON: %w", err)
}

func jsonTypeName(t reflect.Type) string {
	switch t.Kind() { //nolint:exhaustive // the API has no other kinds than these and integers
	case reflect.String:
		return "a string"
	case reflect.Bool:
		return "true or false"
	case reflect.Slice, reflect.Array:
		return "a list"
	case reflect.Struct, reflect.Map:
		return "an object"
	}
	return "a whole number"
}

// unknownMax bounds how many unknown fields one answer lists.
const unknownMax = 20

// unknownFields lists the paths of fields in v that type t has not.
func unknownFields(path string, v any, t reflect.Type, out []api.FieldError) []api.FieldError {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch v := v.(type) {
	case map[string]any:
		for _, name := range sortedKeys(v) {
			out = unknownField(join(path, name), name, v[name], t, out)
		}
	case []any:
		if t.Kind() != reflect.Slice {
			return out
		}
		for i, item := range v {
			out = unknownFields(fmt.Sprintf("%s[%d]", path, i), item, t.Elem(), out)
		}
	}
	return out
}

func unknownField(path, name string, v any, t reflect.Type, out []api.FieldError) []api.FieldError {
	switch {
	case len(out) >= unknownMax:
		return out
	case t.Kind() == reflect.Map:
		return unknownFields(path, v, t.Elem(), out)
	case t.Kind() != reflect.Struct:
		return out
	}
	field, ok := fieldByJSON(t, name)
	if !ok {
		return append(out, api.FieldError{Field: path, Message: "is no field of the API"})
	}
	return unknownFields(path, v, field, out)
}

// fieldByJSON finds a field as encoding/json does: by its tag, whatever the case, also in embedded
// structs.
func fieldByJSON(t reflect.Type, name string) (reflect.Type, bool) {
	for _, f := range reflect.VisibleFields(t) {
		tag, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		if tag != "-" && !f.Anonymous && (strings.EqualFold(tag,
			name) || tag == "" && strings.EqualFold(f.Name, name)) {
			return f.Type, true
		}
	}
	return nil, false
}

func sortedKeys(m map[string]any) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}

// writeJSON writes v as one line; scripts are easier to read without \u003c.
func writeJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	return e.Encode(v) //nolint:wrapcheck // the caller knows what it wrote
}

func writeIndented(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(v) //nolint:wrapcheck // the caller knows what it wrote
}
