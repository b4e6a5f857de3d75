package store

import (
	"context"

	"github.com/fairlead/fairlead/platform"
)

// InsertRelease adds a release; its number must be that of NextReleaseNumber, taken while the slot is locked.
func (t *Tx) InsertRelease(ctx context.Context, r platform.Release) error {
	return t.put(ctx, "releases", r)
}

// NextReleaseNumber returns the number after the newest release of a service, and keeps others from taking it.
func (t *Tx) NextReleaseNumber(ctx context.Context, service platform.ServiceID) (int, error) {
	if _, err := t.exec(ctx, "SELECT FROM services WHERE id = $1 FOR NO KEY UPDATE", service); err != nil {
		return 0, err
	}
	var n int
	err := t.tx.QueryRow(ctx, "SELECT coalesce(max(number), 0) + 1 FROM releases WHERE service_id = $1", service).Scan(&n)
	return n, err
}

// ReleaseByID returns one release.
func (t *Tx) ReleaseByID(ctx context.Context, id platform.ReleaseID) (platform.Release, error) {
	return one[platform.Release](ctx, t, notFound("release", string(id)), "SELECT doc FROM releases WHERE id = $1", id)
}

// ReleaseByNumber returns the release of a service with that number.
func (t *Tx) ReleaseByNumber(ctx context.Context, s platform.Slot, number int) (platform.Release, error) {
	missing := platform.Errorf(platform.CodeNotFound, "%s has no release v%d.", s.Ref(), number).
		WithHint("List the releases to see which there are.").WithField("to_release")
	return one[platform.Release](ctx, t, missing, "SELECT doc FROM releases WHERE service_id = $1 AND number = $2", s.ServiceID, number)
}

// ListReleases returns the releases of a slot's service, newest first.
func (t *Tx) ListReleases(ctx context.Context, s platform.Slot, page platform.Page) (platform.List[platform.Release], error) {
	l := listing{name: "releases", scope: s.Ref(), from: "releases", page: page}
	l.where.and("service_id = ?", s.ServiceID)
	return list[platform.Release](ctx, t, l)
}

// WasLive reports whether a release was ever live in a slot: only what once ran well is rolled back to.
func (t *Tx) WasLive(ctx context.Context, slot platform.SlotID, release platform.ReleaseID) (bool, error) {
	var yes bool
	err := t.tx.QueryRow(ctx, "SELECT EXISTS (SELECT FROM deploys WHERE slot_id = $1 AND release_id = $2 AND phase = 'live')",
		slot, release).Scan(&yes)
	return yes, err
}
