package cli

import (
	"bufio"
	"context"
	"errors"
	"os"
	"path/filepath"

	"github.com/fairlead/fairlead/observability"
	"github.com/fairlead/fairlead/platform"
	"github.com/fairlead/fairlead/platform/client"
)

// exported is what `fairlead logs --export` says it did.
type exported struct {
	Lines int64  `json:"lines"`
	File  string `json:"file"`
}

// exportLogs writes every line of the query to a file, or to the screen for -. A file appears under its name only when it
// is whole.
func (a *app) exportLogs(ctx context.Context, c *client.Client, q observability.LogQuery, name string) error {
	q.Limit = 0
	if name == "-" {
		w := bufio.NewWriter(a.Out)
		_, err := c.ExportLogs(ctx, q, w)
		return errors.Join(err, w.Flush())
	}
	path := name
	if !filepath.IsAbs(path) {
		path = filepath.Join(a.Dir, path)
	}
	lines, err := writeWhole(path, func(w *bufio.Writer) (int64, error) { return c.ExportLogs(ctx, q, w) })
	if err != nil {
		return err
	}
	if a.json() {
		return a.out.json(exported{Lines: lines, File: name})
	}
	a.out.print("%d lines were written to %s.", lines, name)
	return nil
}

// writeWhole fills a file beside path and renames it to path when that is done. A file that cannot be written is an
// invalid error.
func writeWhole(path string, fill func(w *bufio.Writer) (int64, error)) (int64, error) {
	refuse := func(err error) error {
		return platform.Errorf(platform.CodeInvalid, "%s cannot be written: %v.", path, err).
			WithHint("Name a file in a folder that exists and has room, or - for the screen.").WithField("export")
	}
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-*")
	if err != nil {
		return 0, refuse(err)
	}
	defer os.Remove(f.Name())
	defer f.Close()
	w := bufio.NewWriterSize(f, 64<<10)
	lines, err := fill(w)
	var failed *os.PathError
	if errors.As(err, &failed) {
		return lines, refuse(err)
	}
	if err != nil {
		return lines, err
	}
	for _, finish := range []func() error{w.Flush, f.Sync, f.Close, func() error { return os.Rename(f.Name(), path) }} {
		if err := finish(); err != nil {
			return lines, refuse(err)
		}
	}
	return lines, nil
}
