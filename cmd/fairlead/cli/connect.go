package cli

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"github.com/fairlead/fairlead/platform"
	"github.com/fairlead/fairlead/platform/client"
)

// credentials are what `fairlead login` stores.
type credentials struct {
	URL   string `json:"url"`
	Token string `json:"token"`
}

// configPath is FAIRLEAD_CONFIG, else fairlead/config.json in the user's configuration folder.
func (a *app) configPath() (string, error) {
	if path := a.Getenv("FAIRLEAD_CONFIG"); path != "" {
		return path, nil
	}
	if dir := a.Getenv("XDG_CONFIG_HOME"); dir != "" {
		return filepath.Join(dir, "fairlead", "config.json"), nil
	}
	if home := a.Getenv("HOME"); home != "" {
		return filepath.Join(home, ".config", "fairlead", "config.json"), nil
	}
	return "", platform.Errorf(platform.CodeInvalid, "There is no home folder to keep the login in.").WithHint("Set FAIRLEAD_CONFIG to a file.")
}

func (a *app) loadCredentials() (credentials, error) {
	var c credentials
	path, err := a.configPath()
	if err != nil {
		return c, nil //nolint:nilerr // no home folder means that nothing is stored
	}
	raw, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return c, nil
	}
	if err == nil {
		err = json.Unmarshal(raw, &c)
	}
	if err != nil {
		return c, platform.Errorf(platform.CodeInvalid, "The stored login cannot be read: %v.", err).WithHint("Remove %s and run `fairlead login` again.", path)
	}
	return c, nil
}

// saveCredentials replaces the file whole, readable by its owner only.
func (a *app) saveCredentials(c credentials) (string, error) {
	path, err := a.configPath()
	if err != nil {
		return "", err
	}
	raw, err := json.MarshalIndent(c, "", "  ")
	if err != nil {
		return "", err
	}
	err = os.MkdirAll(filepath.Dir(path), 0o700)
	if err == nil {
		err = writeFile(path, append(raw, '\n'))
	}
	if err != nil {
		return "", platform.Errorf(platform.CodeInvalid, "The login cannot be stored: %v.", err).WithHint("Set FAIRLEAD_CONFIG to a file you may write.")
	}
	return path, nil
}

func writeFile(path string, raw []byte) error {
	temp, err := os.CreateTemp(filepath.Dir(path), ".config-*")
	if err != nil {
		return err
	}
	defer os.Remove(temp.Name())
	_, err = temp.Write(raw)
	err = errors.Join(err, temp.Sync(), temp.Close())
	if err != nil {
		return err
	}
	return os.Rename(temp.Name(), path)
}

// connection decides where the API is and which token goes there. A stored token is sent to the address it was stored
// for only, and the admin token of this machine to this machine only.
func (a *app) connection() (client.Options, error) {
	stored, err := a.loadCredentials()
	if err != nil {
		return client.Options{}, err
	}
	address := strings.TrimRight(firstOf(a.url, a.Getenv("FAIRLEAD_URL"), stored.URL, client.DefaultURL), "/")
	if u, err := url.Parse(address); err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") {
		return client.Options{}, platform.Errorf(platform.CodeInvalid, "%q is not the address of an API.", address).
			WithHint("Write for example %s.", client.DefaultURL)
	}
	token, err := a.token(address, stored)
	return client.Options{BaseURL: address, Token: token, Channel: "cli"}, err
}

func (a *app) token(address string, stored credentials) (string, error) {
	if a.tokenFile != "" {
		raw, err := os.ReadFile(a.tokenFile)
		if err != nil {
			return "", platform.Errorf(platform.CodeInvalid, "The token file cannot be read: %v.", err).WithHint("Name a file that holds a token, and nothing else.").WithField("token-file")
		}
		return strings.TrimSpace(string(raw)), nil
	}
	if token := a.Getenv("FAIRLEAD_TOKEN"); token != "" {
		return token, nil
	}
	if stored.Token != "" && stored.URL == address {
		return stored.Token, nil
	}
	if a.StateDir != "" && local(address) {
		if raw, err := os.ReadFile(filepath.Join(a.StateDir, "admin-token")); err == nil {
			return strings.TrimSpace(string(raw)), nil
		}
	}
	return "", nil
}

func local(address string) bool {
	u, err := url.Parse(address)
	if err != nil {
		return false
	}
	ip := net.ParseIP(u.Hostname())
	return u.Hostname() == "localhost" || ip != nil && ip.IsLoopback()
}

// client returns a client that asks once.
func (a *app) client() (*client.Client, error) {
	o, err := a.connection()
	return client.New(o), err
}

// patient returns a client that rides out a restart of the server, for commands that wait.
func (a *app) patient() (*client.Client, error) {
	o, err := a.connection()
	o.Retry = true
	return client.New(o), err
}

func firstOf(all ...string) string {
	for _, s := range all {
		if s != "" {
			return s
		}
	}
	return ""
}

// call runs one operation with a client.
func call[T any](ctx context.Context, a *app, do func(context.Context, *client.Client) (T, error)) (T, error) {
	c, err := a.client()
	if err != nil {
		var none T
		return none, err
	}
	return do(ctx, c)
}
