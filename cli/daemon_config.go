package cli

import (
	"fmt"
	"log/slog"
	"os"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/coxswain-hpc/coxswain/api"
)

// The daemons (server, kubelet, up) take each setting as a flag, as COX_NAME in the environment,
// and as name in a YAML file; the first of these that says something holds.

// daemonFlags are the flags that all daemons share.
type daemonFlags struct {
	config    string
	logFormat string
	logLevel  string
}

func (d *daemonFlags) add(f *pflag.FlagSet) {
	f.StringVar(&d.config, "config", "", "a YAML file with these settings (allow_root_jobs: true)")
	f.StringVar(&d.logFormat, "log-format", "text", "how to log: text or json")
	f.StringVar(&d.logLevel, "log-level", "info", "what to log: debug, info, warn or error")
}

// fill sets flags that were not given from the environment and the file.
func (d *daemonFlags) fill(c *cobra.Command, getenv func(string) string) error {
	if d.config == "" {
		d.config = getenv("COX_CONFIG_FILE")
	}
	file, err := readSettings(d.config)
	if err != nil {
		return err
	}
	var failed error
	c.LocalNonPersistentFlags().VisitAll(func(f *pflag.Flag) {
		name := strings.ReplaceAll(f.Name, "-", "_")
		value, inFile := file[name]
		delete(file, name)
		if f.Changed || f.Name == "config" || failed != nil {
			return
		}
		if env := getenv("COX_" + strings.ToUpper(name)); env != "" {
			value, inFile = env, true
		}
		if !inFile {
			return
		}
		if err := c.Flags().Set(f.Name, fmt.Sprint(value)); err != nil {
			failed = api.Errorf(api.CodeInvalid, "setting %s: %w", name, err)
		}
	})
	for name := range file {
		return api.Errorf(api.CodeUnknownField, "%s: there is no setting %q; `%s --help` lists them", d.config, name,
			c.CommandPath())
	}
	return failed
}

func readSettings(path string) (map[string]any, error) {
	if path == "" {
		return nil, nil
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, api.Errorf(api.CodeInvalid, "read settings: %w", err)
	}
	var settings map[string]any
	if err := yaml.UnmarshalWithOptions(text, &settings, yaml.Strict()); err != nil {
		return nil, api.Errorf(api.CodeInvalid, "%s: %s", path, yaml.FormatError(err, false, true))
	}
	for name, value := range settings {
		if list, ok := value.([]any); ok {
			parts := make([]string, len(list))
			for i, v := range list {
				parts[i] = fmt.Sprint(v)
			}
			settings[name] = strings.Join(parts, ",")
		}
	}
	return settings, nil
}

// logger writes to standard error.
func (d *daemonFlags) logger(a *app) (*slog.Logger, error) {
	var level slog.Level
	if err := level.UnmarshalText([]byte(d.logLevel)); err != nil {
		return nil, usagef("--log-level: %q is none of debug, info, warn, error", d.logLevel)
	}
	options := &slog.HandlerOptions{Level: level}
	switch d.logFormat {
	case "text":
		return slog.New(slog.NewTextHandler(a.Stderr, options)), nil
	case "json":
		return slog.New(slog.NewJSONHandler(a.Stderr, options)), nil
	}
	return nil, usagef("--log-format: %q is none of text, json", d.logFormat)
}
