package store

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/fairlead/fairlead/platform"
)

const tokenDoc = `doc || CASE WHEN last_used_at IS NULL THEN '{}' ELSE jsonb_build_object('last_used_at', last_used_at) END`

// InsertToken adds a token by the hash of its secret.
func (t *Tx) InsertToken(ctx context.Context, token platform.Token, hash []byte) error {
	doc, err := encode(token)
	if err != nil {
		return err
	}
	_, err = t.exec(ctx, "INSERT INTO tokens (doc, hash) VALUES ($1, $2)", doc, hash)
	return err
}

// TokenByHash returns the token whose secret has that hash.
func (t *Tx) TokenByHash(ctx context.Context, hash []byte) (platform.Token, error) {
	return one[platform.Token](ctx, t, notFound("token", ""), "SELECT "+tokenDoc+" FROM tokens WHERE hash = $1", hash)
}

// LockToken returns one token and keeps others from changing it.
func (t *Tx) LockToken(ctx context.Context, id platform.TokenID) (platform.Token, error) {
	return one[platform.Token](ctx, t, notFound("token", string(id)), "SELECT "+tokenDoc+" FROM tokens WHERE id = $1 FOR UPDATE", id)
}

// UpdateToken writes a token over the one with its id.
func (t *Tx) UpdateToken(ctx context.Context, token platform.Token) error {
	token.LastUsedAt = nil // a column of its own
	return t.replace(ctx, "tokens", string(token.ID), token, notFound("token", string(token.ID)))
}

// TouchToken notes that a token was used.
func (t *Tx) TouchToken(ctx context.Context, id platform.TokenID, at time.Time) error {
	_, err := t.exec(ctx, "UPDATE tokens SET last_used_at = $2 WHERE id = $1", id, at)
	return err
}

// ListTokens returns every token, oldest first, revoked ones too.
func (t *Tx) ListTokens(ctx context.Context) ([]platform.Token, error) {
	return many[platform.Token](ctx, t, "SELECT "+tokenDoc+" FROM tokens ORDER BY n")
}

// Answer is what a request with an idempotency key was answered.
type Answer struct {
	Request  string // method and path
	BodyHash string
	Status   int
	Body     []byte
}

// RecallAnswer returns the answer that was kept under the key, nil when there is none.
func (t *Tx) RecallAnswer(ctx context.Context, token platform.TokenID, key string) (*Answer, error) {
	var a Answer
	err := t.tx.QueryRow(ctx, "SELECT request, body_hash, status, answer FROM idempotency WHERE token_id = $1 AND key = $2",
		token, key).Scan(&a.Request, &a.BodyHash, &a.Status, &a.Body)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, nil //nolint:nilnil // nil is the answer: there is none
	}
	return &a, err
}

// KeepAnswer keeps an answer under the key; the first one stays. Answers older than keep are dropped.
func (t *Tx) KeepAnswer(ctx context.Context, token platform.TokenID, key string, a Answer, keep time.Duration) error {
	if _, err := t.exec(ctx, "DELETE FROM idempotency WHERE created_at < now() - $1::interval", keep); err != nil {
		return err
	}
	_, err := t.exec(ctx, `INSERT INTO idempotency (token_id, key, request, body_hash, status, answer)
		VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING`, token, key, a.Request, a.BodyHash, a.Status, a.Body)
	return err
}
