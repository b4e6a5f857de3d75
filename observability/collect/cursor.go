package collect

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/fairlead/fairlead/platform/durable"
	"github.com/fairlead/fairlead/platform/runtime"
)

// cursor says how far one container was read: everything before At is durable in the store.
type cursor struct {
	At   time.Time `json:"at"`
	Done bool      `json:"done,omitempty"` // the container ended and all of it is durable
}

// cursorFile keeps the cursors of all containers in one file, replaced as a whole.
type cursorFile struct {
	dir string

	mu      sync.Mutex // guards the fields below
	cursors map[string]cursor
	changed bool
	spools  map[string]runtime.Container // ended containers whose last lines are in a spool file
}

const (
	cursorName  = "cursors.json"
	spoolPrefix = "tail-"
)

// openCursors reads the cursors in dir, making the folder where it does not exist. A file that is broken is put aside:
// then containers are read from their beginning, and what is stored already is told apart.
func openCursors(dir string) (*cursorFile, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make the cursor folder: %w", err)
	}
	c := &cursorFile{dir: dir, cursors: make(map[string]cursor), spools: make(map[string]runtime.Container)}
	raw, err := os.ReadFile(filepath.Join(dir, cursorName))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("read the cursors: %w", err)
	}
	if err == nil && json.Unmarshal(raw, &c.cursors) != nil {
		c.cursors = make(map[string]cursor)
		if err := os.Rename(filepath.Join(dir, cursorName), filepath.Join(dir, cursorName+".broken")); err != nil {
			return nil, fmt.Errorf("put broken cursors aside: %w", err)
		}
	}
	return c, c.findSpools()
}

func (c *cursorFile) get(id string) cursor {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.cursors[id]
}

func (c *cursorFile) move(id string, to time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if now := c.cursors[id]; now.At.Before(to) {
		c.cursors[id] = cursor{At: to.UTC(), Done: false}
		c.changed = true
	}
}

// done marks a container as read to its end; its spool is not needed any more.
func (c *cursorFile) done(id string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if now := c.cursors[id]; !now.Done {
		now.Done = true
		c.cursors[id] = now
		c.changed = true
	}
}

// forget drops the cursors of containers that gone says are no more.
func (c *cursorFile) forget(gone func(id string) bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for id := range c.cursors {
		if gone(id) {
			delete(c.cursors, id)
			c.changed = true
		}
	}
}

// save writes the cursors when one changed, and then removes the spools of containers that are done.
func (c *cursorFile) save() error {
	c.mu.Lock()
	changed, cursors := c.changed, maps.Clone(c.cursors)
	c.changed = false
	c.mu.Unlock()
	if changed {
		raw, err := json.Marshal(cursors)
		if err == nil {
			err = durable.Replace(filepath.Join(c.dir, cursorName), durable.Bytes(raw))
		}
		if err != nil {
			c.mu.Lock()
			c.changed = true
			c.mu.Unlock()
			return err
		}
	}
	for id, at := range cursors {
		if at.Done {
			c.dropSpool(id)
		}
	}
	return nil
}

func ignoreMissing(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// findSpools reads the headers of the spool files that a run before left, and removes unfinished temporary files.
func (c *cursorFile) findSpools() error {
	if err := durable.Clear(c.dir); err != nil {
		return err
	}
	entries, err := os.ReadDir(c.dir)
	if err != nil {
		return fmt.Errorf("read the cursor folder: %w", err)
	}
	for _, entry := range entries {
		name := entry.Name()
		if id, ok := strings.CutPrefix(name, spoolPrefix); ok {
			if container, err := readSpoolHeader(filepath.Join(c.dir, name)); err == nil {
				c.spools[id] = container
			}
		}
	}
	return nil
}
