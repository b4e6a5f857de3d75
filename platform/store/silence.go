package store

import (
	"context"

	"github.com/fairlead/fairlead/platform"
)

// InsertSilence adds a silence.
func (t *Tx) InsertSilence(ctx context.Context, s platform.Silence) error {
	return t.put(ctx, "silences", s)
}

// UpdateSilence writes a silence over the one with its id.
func (t *Tx) UpdateSilence(ctx context.Context, s platform.Silence) error {
	return t.replace(ctx, "silences", string(s.ID), s, notFound("silence", string(s.ID)))
}

// LockSilence returns one silence and keeps others from changing it.
func (t *Tx) LockSilence(ctx context.Context, id platform.SilenceID) (platform.Silence, error) {
	return one[platform.Silence](ctx, t, notFound("silence", string(id)), "SELECT doc FROM silences WHERE id = $1 FOR UPDATE", id)
}

// SilencesOf returns the silences of a project that have not ended by now, newest first.
func (t *Tx) SilencesOf(ctx context.Context, project string) ([]platform.Silence, error) {
	return many[platform.Silence](ctx, t, "SELECT doc FROM silences WHERE project = $1 AND (doc->>'ends_at')::timestamptz > now() ORDER BY n DESC", project)
}
