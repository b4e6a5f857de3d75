package router

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"github.com/fairlead/fairlead/platform/durable"
	"github.com/fairlead/fairlead/platform/routing"
)

// Install saves the table, serves every later request by it, starts the drain of the targets that left, and says which
// version is served. A version that is not higher than the served one has no effect. An invalid table is refused
// whole; so is one that cannot be saved, since a restart would then serve an older one.
func (r *Router) Install(t routing.Table) (routing.Ack, error) {
	if err := t.Validate(); err != nil {
		return routing.Ack{}, err
	}
	r.installing.Lock()
	defer r.installing.Unlock()
	served := r.table.Load()
	if t.Version <= served.version {
		return routing.Ack{Version: served.version}, nil
	}
	if err := saveTable(r.config.TableFile, t); err != nil {
		return routing.Ack{}, err
	}
	r.swap(t)
	r.log.Info("route table installed", "version", t.Version, "routes", len(t.Routes))
	return routing.Ack{Version: t.Version}, nil
}

func (r *Router) swap(t routing.Table) {
	r.mu.Lock()
	defer r.mu.Unlock()
	next := r.buildTableLocked(t)
	previous := r.table.Swap(next)
	close(previous.replaced)
	r.drainLocked(next)
	r.forgetCountersLocked(next, time.Now())
}

// load serves the saved table. A file that cannot be understood is set aside, since a router that serves nothing can
// still be told what to serve.
func (r *Router) load() error {
	data, err := os.ReadFile(r.config.TableFile)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read saved route table: %w", err)
	}
	t, err := routing.Decode(bytes.NewReader(data))
	if err == nil {
		r.swap(t)
		return nil
	}
	aside := fmt.Sprintf("%s.corrupt-%s", r.config.TableFile, time.Now().UTC().Format("20060102T150405.000000000"))
	r.log.Error("the saved route table is corrupt: serving an empty one until the control plane sends another",
		"file", r.config.TableFile, "kept_as", aside, "error", err.Error())
	if err := os.Rename(r.config.TableFile, aside); err != nil {
		return fmt.Errorf("set corrupt route table aside: %w", err)
	}
	return nil
}

// saveTable replaces the file so that at every moment, power cuts included, it holds one whole table.
func saveTable(path string, t routing.Table) error {
	data, err := routing.Encode(t)
	if err != nil {
		return err
	}
	if err := durable.Replace(path, durable.Bytes(data)); err != nil {
		return fmt.Errorf("save route table: %w", err)
	}
	return nil
}
