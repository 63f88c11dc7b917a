package control

import (
	"bytes"
	"context"
	"fmt"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"github.com/coxswain-hpc/coxswain/api"
)

// mailOutputMax bounds what is kept of a mail command's complaints.
const mailOutputMax = 4 << 10

// mailKillWait is how long a killed mail command's descendants may hold its output open.
const mailKillWait = 2 * time.Second

// sendmails are where the machine's own mail system puts its command.
var sendmails = []string{"/usr/sbin/sendmail", "/usr/lib/sendmail", "sendmail"}

// MailCommand sends each mail with a command that reads the message, header lines and all, from its
// standard input: what `sendmail -t` does. An empty one is the machine's sendmail.
type MailCommand string

var _ Mailer = MailCommand("")

// Send implements Mailer.
func (c MailCommand) Send(ctx context.Context, message []byte) error {
	args, err := c.args()
	if err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	cmd.Dir = "/"
	cmd.Stdin = bytes.NewReader(message)
	var out tail
	cmd.Stdout, cmd.Stderr = &out, &out
	// what the command has started ends with it
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = mailKillWait
	err = cmd.Run()
	switch {
	case ctx.Err() != nil:
		return fmt.Errorf("%s did not take the mail in time", args[0])
	case err != nil:
		return fmt.Errorf("%s: %w: %s", args[0], err, strings.TrimSpace(out.String()))
	}
	return nil
}

// Ready says why no mail can be sent, as far as can be seen beforehand.
func (c MailCommand) Ready() error {
	_, err := c.args()
	return err
}

func (c MailCommand) args() ([]string, error) {
	if c != "" {
		return []string{"/bin/sh", "-c", string(c)}, nil
	}
	for _, name := range sendmails {
		if path, err := exec.LookPath(name); err == nil {
			return []string{path, "-t", "-i"}, nil // -i: a dot on a line of its own ends nothing
		}
	}
	return nil, api.Errorf(api.CodeUnavailable,
		"the server's machine has no sendmail; install a mail system, or name a command with "+
			"cox server --mail-command")
}

// tail keeps the last mailOutputMax bytes.
type tail struct{ bytes.Buffer }

func (t *tail) Write(p []byte) (int, error) {
	t.Buffer.Write(p)
	if over := t.Len() - mailOutputMax; over > 0 {
		t.Next(over)
	}
	return len(p), nil
}
