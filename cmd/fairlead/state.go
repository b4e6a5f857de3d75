package main

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/fairlead/fairlead/platform"
)

// stateFolder is where one installation keeps everything that is not in Postgres.
type stateFolder string

// defaultState is FAIRLEAD_STATE, else /var/lib/fairlead for root, else the user's own state folder.
func defaultState() (stateFolder, error) {
	if dir := os.Getenv("FAIRLEAD_STATE"); dir != "" {
		absolute, err := filepath.Abs(dir)
		return stateFolder(absolute), err
	}
	if os.Geteuid() == 0 {
		return "/var/lib/fairlead", nil
	}
	if dir := os.Getenv("XDG_STATE_HOME"); dir != "" {
		return stateFolder(filepath.Join(dir, "fairlead")), nil
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return "", platform.Errorf(platform.CodeInvalid, "There is no home folder to keep state in.").WithHint("Set FAIRLEAD_STATE to a folder.")
	}
	return stateFolder(filepath.Join(home, ".local", "state", "fairlead")), nil
}

func (s stateFolder) path(name string) string { return filepath.Join(string(s), name) }

// make creates the folder. It is traversable, since the private Postgres runs as another user; what is secret in it has
// a mode of its own.
func (s stateFolder) make() error {
	if err := os.MkdirAll(string(s), 0o755); err != nil {
		return platform.Errorf(platform.CodeInvalid, "The state folder cannot be made: %v.", err).WithHint("Set FAIRLEAD_STATE to a folder you may write.")
	}
	return nil
}

// installation returns the name that marks everything this installation makes on the engine, made at the first start.
func (s stateFolder) installation() (string, error) { return s.random("installation", 8, 0o644) }

// random returns the hex text that a file of the folder keeps, made of fresh random bytes at its first use.
func (s stateFolder) random(name string, size int, mode os.FileMode) (string, error) {
	raw, err := os.ReadFile(s.path(name))
	if text := strings.TrimSpace(string(raw)); err == nil && text != "" {
		return text, nil
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("read %s: %w", name, err)
	}
	fresh := make([]byte, size)
	if _, err := rand.Read(fresh); err != nil {
		return "", fmt.Errorf("make %s: %w", name, err)
	}
	text := hex.EncodeToString(fresh)
	if err := os.WriteFile(s.path(name), []byte(text+"\n"), mode); err != nil {
		return "", fmt.Errorf("keep %s: %w", name, err)
	}
	return text, nil
}

// alive reports the process id in a pid file when that process runs.
func (s stateFolder) alive(name string) (int, bool) {
	raw, err := os.ReadFile(s.path(name))
	if err != nil {
		return 0, false
	}
	var pid int
	if _, err := fmt.Sscanf(string(raw), "%d", &pid); err != nil || pid <= 1 {
		return 0, false
	}
	command, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	if err != nil {
		return pid, processExists(pid)
	}
	return pid, strings.Contains(string(command), "fairlead")
}

func (s stateFolder) writePID(name string) error {
	return os.WriteFile(s.path(name), []byte(fmt.Sprintf("%d\n", os.Getpid())), 0o644)
}
