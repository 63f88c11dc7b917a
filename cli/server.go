package cli

import (
	"context"
	"log/slog"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/coxswain-hpc/coxswain/cli/config"
)

const (
	serverDataDir = "/var/lib/cox"
	serverListen  = "127.0.0.1:7443"
	clusterName   = "cox"
)

// ServerSettings are the settings of `cox server`; the help of its flags explains them.
type ServerSettings struct {
	Database, DataDir, Listen, URL, Socket, ClusterKey, Name string
	MailCommand                                              string
	Connections                                              int32
	AllowRootJobs                                            bool
	Log                                                      *slog.Logger
}

// serverFlags fill the settings.
type serverFlags struct {
	daemonFlags
	ServerSettings
}

func newServer(a *app) *cobra.Command {
	var s serverFlags
	c := &cobra.Command{
		Use: "server --database DSN", Short: "Run a server: the API, and on one of them the scheduler",
		Args: args(cobra.NoArgs),
		Long: "Run a server. Several may share one PostgreSQL; one of them leads. Each needs the cluster key file\n" +
			"that the first one makes.\n" +
			"Each setting can also be COX_NAME in the environment or name in the YAML file of --config.",
		RunE: func(c *cobra.Command, _ []string) error {
			if err := s.fill(c, a.Getenv); err != nil {
				return err
			}
			return a.serve(c.Context(), s)
		},
	}
	f := c.Flags()
	s.add(f)
	f.StringVar(&s.Database, "database", "",
		"the PostgreSQL to use: postgres://… or key=value pairs; direct, or pooled by session")
	f.StringVar(&s.DataDir, "data-dir", serverDataDir, "where this server keeps its id and the cluster key")
	f.StringVar(&s.Listen, "listen", serverListen, "the address for HTTPS")
	f.StringVar(&s.URL, "url", "", "the address that others reach this server at (from --listen)")
	f.StringVar(&s.Socket, "socket", config.SystemSocket, "the Unix socket for this machine's users; empty for none")
	f.StringVar(&s.ClusterKey, "cluster-key", "", "the cluster key file (in the data directory)")
	f.Int32Var(&s.Connections, "connections", 0, "the most database connections for work (16)")
	s.addCluster(f)
	return c
}

// addCluster adds the settings that `cox up` shares.
func (s *serverFlags) addCluster(f *pflag.FlagSet) {
	f.StringVar(&s.Name, "name", clusterName, "the cluster's name, when it is made")
	f.StringVar(&s.MailCommand, "mail-command", "",
		"a shell command that sends the mail on its standard input to those in its To line (sendmail -t -i)")
	f.BoolVar(&s.AllowRootJobs, "allow-root-jobs", false, "accept jobs that run as root")
}

func (a *app) serve(ctx context.Context, s serverFlags) (err error) {
	if s.Log, err = s.logger(a); err != nil {
		return err
	}
	if s.Database == "" {
		return usagef("name the PostgreSQL to use with --database, or start everything on this machine with `cox up`")
	}
	return a.Server(ctx, s.ServerSettings)
}
