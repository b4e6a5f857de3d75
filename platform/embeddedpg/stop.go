package embeddedpg

import (
	"context"
	"errors"
	"io/fs"
	"os"
)

// Stop shuts down the private server of a folder without opening it, and reports whether one ran.
func Stop(ctx context.Context, dir string) (bool, error) {
	if _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	home, err := newPlace(dir, false)
	if err != nil {
		return false, err
	}
	file, err := home.readPidFile()
	if err != nil || file.pid == 0 || !home.alive(file.pid) {
		return false, err
	}
	unlock, err := lock(ctx, home.lockFile())
	if err != nil {
		return false, err
	}
	defer unlock()
	return true, home.stop(ctx)
}
