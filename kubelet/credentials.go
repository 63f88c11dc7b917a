package kubelet

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/google/renameio/v2"

	"github.com/coxswain-hpc/coxswain/api"
	"github.com/coxswain-hpc/coxswain/api/client"
)

// credentialsFile holds key, certificate and authority of the node, for root only.
const credentialsFile = "credentials.json"

// credentials reads what an earlier join left, or joins now.
func credentials(ctx context.Context, o Options) (client.KubeletCredentials, error) {
	path := filepath.Join(o.StateDir, credentialsFile)
	stored, err := readCredentials(path)
	if err == nil {
		if stored.Node != o.Node {
			return stored, api.Errorf(api.CodeInvalid,
				"%s belongs to node %s, and this kubelet is to be %s; use another state directory",
				path, stored.Node, o.Node)
		}
		return stored, nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return stored, err
	}
	if o.JoinToken == "" {
		return stored, api.Errorf(api.CodeUnauthenticated,
			"node %s has not joined yet; make a join token on a server with `cox token create --join` and pass it",
			o.Node)
	}
	fresh, err := join(ctx, o)
	if err != nil {
		return fresh, err
	}
	return fresh, writeCredentials(path, fresh)
}

// join tries each server once.
func join(ctx context.Context, o Options) (client.KubeletCredentials, error) {
	var errs []error
	for _, endpoint := range o.Endpoints {
		got, err := client.Join(ctx, endpoint, o.JoinToken, o.Node)
		if err == nil {
			return got, nil
		}
		errs = append(errs, fmt.Errorf("join at %s: %w", endpoint, err))
	}
	return client.KubeletCredentials{}, errors.Join(errs...)
}

func readCredentials(path string) (client.KubeletCredentials, error) {
	var c client.KubeletCredentials
	data, err := os.ReadFile(path)
	if err != nil {
		return c, fmt.Errorf("read the node's credentials: %w", err)
	}
	if err := json.Unmarshal(data, &c); err != nil {
		return c, fmt.Errorf("decode %s: %w", path, err)
	}
	return c, nil
}

// writeCredentials is durable: the join token works only once.
func writeCredentials(path string, c client.KubeletCredentials) error {
	data, err := json.Marshal(c)
	if err != nil {
		return fmt.Errorf("encode the node's credentials: %w", err)
	}
	if err := renameio.WriteFile(path, data, 0o600); err != nil {
		return fmt.Errorf("keep the node's credentials: %w", err)
	}
	return nil
}
