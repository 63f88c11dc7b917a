package nss

import (
	"bytes"
	"context"
	"errors"
	"os/exec"
	"strconv"
	"strings"

	"github.com/coxswain-hpc/coxswain/api"
)

// exitNotFound is getent's exit status for a key that the database does not have.
const exitNotFound = 2

// outputMax bounds what is read of one answer: a user in groupsMax groups fits.
const outputMax = 1 << 20

// ask makes the two questions behind one identity: the passwd entry and the groups.
func (l *Lookup) ask(ctx context.Context, key, what string) (api.Identity, error) {
	ctx, cancel := context.WithTimeout(ctx, l.timeout())
	defer cancel()
	line, err := l.getent(ctx, what, "passwd", key)
	if err != nil {
		return api.Identity{}, err
	}
	identity, err := parsePasswd(line)
	if err != nil {
		return api.Identity{}, err
	}
	groups, err := l.getent(ctx, what, "initgroups", identity.User)
	if err != nil && api.CodeOf(err) != api.CodeNotFound {
		return api.Identity{}, err
	}
	identity.Groups, err = parseInitgroups(groups, identity.GID)
	return identity, err
}

func (l *Lookup) getent(ctx context.Context, what, database, key string) (string, error) {
	program := l.Getent
	if program == "" {
		program = "getent"
	}
	cmd := exec.CommandContext(ctx, program, database, key)
	var out, stderr limited
	cmd.Stdout, cmd.Stderr = &out, &stderr
	err := cmd.Run()
	var exit *exec.ExitError
	switch {
	case err == nil:
		return out.String(), nil
	case ctx.Err() != nil:
		return "", api.Errorf(api.CodeUnavailable,
			"the name service did not answer about %s within %s; try again later", what, l.timeout())
	case errors.As(err, &exit) && exit.ExitCode() == exitNotFound:
		return "", api.Errorf(api.CodeNotFound, "this machine's name service knows no %s", what)
	}
	return "", api.Errorf(api.CodeUnavailable,
		"the name service can't be asked about %s (%s %s: %w) %s", what, program, database, err, stderr.String())
}

// limited is a buffer that keeps the first outputMax bytes.
type limited struct{ bytes.Buffer }

func (b *limited) Write(p []byte) (int, error) {
	if room := outputMax - b.Len(); room < len(p) {
		b.Buffer.Write(p[:max(0, room)])
		return len(p), nil
	}
	return b.Buffer.Write(p)
}

// parsePasswd reads name:password:uid:gid:gecos:home:shell.
func parsePasswd(out string) (api.Identity, error) {
	line, _, _ := strings.Cut(out, "\n")
	f := strings.Split(line, ":")
	if len(f) != 7 {
		return api.Identity{}, api.Errorf(api.CodeUnavailable,
			"the name service gave the passwd entry %q, which has not 7 fields", line)
	}
	uid, err := strconv.ParseUint(f[2], 10, 32)
	if err != nil {
		return api.Identity{}, api.Errorf(api.CodeUnavailable, "the passwd entry of %s has the uid %q", f[0],
			f[2])
	}
	gid, err := strconv.ParseUint(f[3], 10, 32)
	if err != nil {
		return api.Identity{}, api.Errorf(api.CodeUnavailable, "the passwd entry of %s has the gid %q", f[0],
			f[3])
	}
	return api.Identity{User: f[0], UID: int64(uid), GID: int64(gid), Home: f[5], Shell: f[6]}, nil
}

// parseInitgroups reads "name", then gids, and adds the primary group where it is missing.
func parseInitgroups(out string, primary int64) ([]int64, error) {
	fields := strings.Fields(out)
	groups := []int64{primary}
	for i, f := range fields {
		if i == 0 {
			continue
		}
		gid, err := strconv.ParseUint(f, 10, 32)
		if err != nil || i > groupsMax {
			return nil, api.Errorf(api.CodeUnavailable, "the name service gave the groups %q",
				strings.TrimSpace(out))
		}
		if int64(gid) != primary {
			groups = append(groups, int64(gid))
		}
	}
	return groups, nil
}
