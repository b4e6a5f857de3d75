package store

import (
	"context"

	"github.com/fairlead/fairlead/platform"
)

// PutInstance inserts or replaces the record of an instance.
func (t *Tx) PutInstance(ctx context.Context, in platform.Instance) error {
	doc, err := encode(in)
	if err != nil {
		return err
	}
	_, err = t.exec(ctx, "INSERT INTO instances (doc) VALUES ($1) ON CONFLICT (id) DO UPDATE SET doc = excluded.doc", doc)
	return err
}

// InstanceByID returns one instance.
func (t *Tx) InstanceByID(ctx context.Context, id platform.InstanceID) (platform.Instance, error) {
	return one[platform.Instance](ctx, t, notFound("instance", string(id)), "SELECT doc FROM instances WHERE id = $1", id)
}

// LockInstance returns one instance and keeps others from changing it; nil when there is none yet.
func (t *Tx) LockInstance(ctx context.Context, id platform.InstanceID) (*platform.Instance, error) {
	return first[platform.Instance](ctx, t, "SELECT doc FROM instances WHERE id = $1 FOR UPDATE", id)
}

// maxEnded is how many ended instances of a slot are listed.
const maxEnded = 200

// ListInstances returns the instances of a slot in the order they were made: those that have not ended, or with ended
// the newest of all.
func (t *Tx) ListInstances(ctx context.Context, slot platform.SlotID, ended bool) ([]platform.Instance, error) {
	if !ended {
		return many[platform.Instance](ctx, t, "SELECT doc FROM instances WHERE slot_id = $1 AND NOT ended ORDER BY n", slot)
	}
	return many[platform.Instance](ctx, t,
		"SELECT doc FROM (SELECT doc, n FROM instances WHERE slot_id = $1 ORDER BY n DESC LIMIT $2) newest ORDER BY n", slot, maxEnded)
}
