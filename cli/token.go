package cli

import (
	"fmt"
	"regexp"
	"time"

	"github.com/spf13/cobra"

	"github.com/coxswain-hpc/coxswain/api/client"
	"github.com/coxswain-hpc/coxswain/cli/output"
)

func newToken(a *app) *cobra.Command {
	return noun("token", "Tokens: for people far away, and for nodes that join",
		a.tokenCreate(), a.tokenList(), a.tokenRevoke())
}

func (a *app) tokenCreate() *cobra.Command {
	var r client.TokenRequest
	var ttl time.Duration
	var join bool
	c := &cobra.Command{
		Use: "create", Short: "Make a token; its text is shown this once", Args: args(cobra.NoArgs),
		Long: "Make a token. Standard output gets its text alone; standard error, unless --quiet, the command that\n" +
			"its holder types on the other machine.",
		RunE: func(c *cobra.Command, _ []string) error {
			r.Use = "user"
			if join {
				r.Use = "join"
			}
			r.TTLSeconds = int64(ttl / time.Second)
			cl, err := a.client()
			if err != nil {
				return err
			}
			t, err := cl.CreateToken(c.Context(), r)
			if err != nil {
				return err
			}
			p, err := a.printer()
			if err != nil {
				return err
			}
			if p.Format == output.FormatJSON || p.Format == output.FormatYAML {
				return p.Print(t, nil)
			}
			if err := a.say("%s", t.Text); err != nil {
				return err
			}
			a.tellToken(t)
			return nil
		},
	}
	flags := c.Flags()
	flags.BoolVar(&join, "join", false, "a one-time token with which a node joins")
	flags.StringVarP(&r.User, "user", "u", "", "for this user (admins)")
	flags.DurationVar(&ttl, "ttl", 0, "how long it is good for, such as 720h")
	flags.StringVar(&r.Comment, "comment", "", "what it is for")
	return c
}

// tellToken says how the token is used: the whole command, since an address without the hash of the
// cluster's authority is not trusted from afar.
func (a *app) tellToken(t client.NewToken) {
	if t.URL == "" {
		a.note("this server serves its local socket alone; a token is of use once it listens on the network")
		return
	}
	if t.Use == "join" {
		a.note(fmt.Sprintf("on the new node, as root:\n  cox kubelet --server %s --join %s", t.URL, t.Text))
		return
	}
	a.note(fmt.Sprintf("%s uses it so:\n  cox context set %s --server %s --ca-hash %s --token %s",
		t.User, contextName(t.Cluster), t.URL, t.CAHash, t.Text))
}

// plainName is a name that no shell takes apart.
var plainName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]*$`)

// contextName is the cluster's name, or one in its stead where a shell would not take it as it is.
func contextName(cluster string) string {
	if plainName.MatchString(cluster) {
		return cluster
	}
	return "cluster"
}

func (a *app) tokenList() *cobra.Command {
	return a.reading(&cobra.Command{
		Use: "list", Short: "Show tokens, without their secrets", Args: args(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error {
			cl, err := a.client()
			if err != nil {
				return err
			}
			list, err := cl.Tokens(c.Context())
			if err != nil {
				return err
			}
			return a.print(nonNil(list), func() output.Table {
				t := output.Table{Empty: "there are no tokens", Columns: []output.Column{
					{Name: "TOKEN"},
					{Name: "USE"},
					{Name: "USER"},
					{Name: "MADE"},
					{Name: "EXPIRES"},
					{Name: "USED"},
					{Name: "REVOKED"},
					{Name: "COMMENT", Shrink: true},
				}}
				now := a.now()
				for _, x := range list {
					t.Rows = append(t.Rows, []string{
						x.ID, x.Use, output.OrNone(x.User),
						output.Ago(&x.CreatedAt, now), output.Ago(&x.ExpiresAt, now),
						output.Ago(x.UsedAt, now), output.Ago(x.RevokedAt, now), output.OrNone(x.Comment),
					})
				}
				return t
			})
		},
	})
}

func (a *app) tokenRevoke() *cobra.Command {
	return &cobra.Command{
		Use: "revoke TOKEN-ID...", Short: "Make tokens useless", Args: args(cobra.MinimumNArgs(1)),
		RunE: func(c *cobra.Command, args []string) error {
			cl, err := a.client()
			if err != nil {
				return err
			}
			for _, id := range args {
				if err := cl.RevokeToken(c.Context(), id); err != nil {
					return err
				}
			}
			return nil
		},
	}
}
