package store

import (
	"context"
	"errors"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/fairlead/fairlead/platform"
)

// InsertSlot adds a slot.
func (t *Tx) InsertSlot(ctx context.Context, s platform.Slot) error { return t.put(ctx, "slots", s) }

// UpdateSlot writes a slot over the one with its id; the caller holds it by LockSlot.
func (t *Tx) UpdateSlot(ctx context.Context, s platform.Slot) error {
	return t.replace(ctx, "slots", string(s.ID), s, notFound("slot", s.Ref()))
}

// SlotByID returns one slot.
func (t *Tx) SlotByID(ctx context.Context, id platform.SlotID) (platform.Slot, error) {
	return one[platform.Slot](ctx, t, notFound("slot", string(id)), "SELECT doc FROM slots WHERE id = $1", id)
}

// LockSlot returns one slot and keeps others from changing it until the transaction ends. Whoever changes what runs in
// a slot (its deploys, its configuration, its scale) takes this lock first.
func (t *Tx) LockSlot(ctx context.Context, id platform.SlotID) (platform.Slot, error) {
	return one[platform.Slot](ctx, t, notFound("slot", string(id)), "SELECT doc FROM slots WHERE id = $1 FOR UPDATE", id)
}

// ListSlots returns the slots of a project, or of all when it is "", in the order they were made.
func (t *Tx) ListSlots(ctx context.Context, project platform.ProjectID) ([]platform.Slot, error) {
	return many[platform.Slot](ctx, t, "SELECT doc FROM slots WHERE project_id = $1 OR $1 = '' ORDER BY n", project)
}

// LockSlots is LockSlot for every slot of a project, always in the same order, so that two cannot wait for each other.
func (t *Tx) LockSlots(ctx context.Context, project platform.ProjectID) ([]platform.Slot, error) {
	return many[platform.Slot](ctx, t, "SELECT doc FROM slots WHERE project_id = $1 ORDER BY n FOR UPDATE", project)
}

// ClaimHosts makes the hosts those of the slot and gives up others that it had. When one belongs to another slot it
// returns conflict, naming both owners.
func (t *Tx) ClaimHosts(ctx context.Context, s platform.Slot) error {
	hosts := append([]string{}, s.Hosts...) // never NULL, which no host differs from
	slices.Sort(hosts)
	if _, err := t.exec(ctx, "DELETE FROM hosts WHERE slot_id = $1 AND host <> ALL($2)", s.ID, hosts); err != nil {
		return err
	}
	for _, host := range hosts {
		n, err := t.exec(ctx, `INSERT INTO hosts (host, slot_id) VALUES ($1, $2)
			ON CONFLICT (host) DO UPDATE SET slot_id = excluded.slot_id WHERE hosts.slot_id = excluded.slot_id`, host, s.ID)
		if err != nil {
			return err
		}
		if n == 0 {
			return t.hostTaken(ctx, s, host)
		}
	}
	return nil
}

func (t *Tx) hostTaken(ctx context.Context, s platform.Slot, host string) error {
	owner, err := t.HostOwner(ctx, host)
	if err != nil {
		return err
	}
	return platform.Errorf(platform.CodeConflict, "The host %s is wanted by %s, and it belongs to %s.", host, s.Ref(), owner.Ref()).
		WithHint("Remove it from one of the two services' hosts.").WithField("hosts")
}

// HostOwner returns the slot that a host belongs to.
func (t *Tx) HostOwner(ctx context.Context, host string) (platform.Slot, error) {
	return one[platform.Slot](ctx, t, notFound("host", host),
		"SELECT doc FROM slots WHERE id = (SELECT slot_id FROM hosts WHERE host = $1)", host)
}

// NextTableVersion returns a number higher than any before it.
func (s *Store) NextTableVersion(ctx context.Context) (uint64, error) {
	var v int64
	err := s.InTx(ctx, func(t *Tx) error {
		return t.tx.QueryRow(ctx, "SELECT nextval('route_table_version')").Scan(&v)
	})
	return uint64(v), err //nolint:gosec // the sequence is never negative
}

// Setting returns the value kept under key, "" when there is none.
func (t *Tx) Setting(ctx context.Context, key string) (string, error) {
	var v string
	err := t.tx.QueryRow(ctx, "SELECT value FROM settings WHERE key = $1", key).Scan(&v)
	if errors.Is(err, pgx.ErrNoRows) {
		return "", nil
	}
	return v, err
}

// PutSetting keeps a value under key.
func (t *Tx) PutSetting(ctx context.Context, key, value string) error {
	_, err := t.exec(ctx, "INSERT INTO settings VALUES ($1, $2) ON CONFLICT (key) DO UPDATE SET value = excluded.value", key, value)
	return err
}
