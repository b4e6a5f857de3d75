package store

import (
	"context"

	"github.com/fairlead/fairlead/platform"
)

// InsertConfig adds a version of a slot's configuration; values of secret variables must be sealed already.
func (t *Tx) InsertConfig(ctx context.Context, c platform.Config) error {
	return t.put(ctx, "configs", c)
}

// ConfigAt returns one version; version 0 is the empty configuration that every slot begins with.
func (t *Tx) ConfigAt(ctx context.Context, slot platform.SlotID, version int64) (platform.Config, error) {
	if version == 0 {
		return platform.Config{SlotID: slot, Vars: []platform.Variable{}}, nil
	}
	return one[platform.Config](ctx, t, notFound("configuration of slot", string(slot)),
		"SELECT doc FROM configs WHERE slot_id = $1 AND version = $2", slot, version)
}

// ConfigsOf returns every version of every slot of a project: old values are still secret.
func (t *Tx) ConfigsOf(ctx context.Context, project platform.ProjectID) ([]platform.Config, error) {
	return many[platform.Config](ctx, t,
		"SELECT doc FROM configs WHERE slot_id IN (SELECT id FROM slots WHERE project_id = $1) ORDER BY slot_id, version", project)
}
