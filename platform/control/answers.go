package control

import (
	"context"
	"time"

	"github.com/fairlead/fairlead/platform"
	"github.com/fairlead/fairlead/platform/store"
)

// answerKept is how long a request can be repeated with its idempotency key.
const answerKept = 24 * time.Hour

// maxIdempotencyKey is the longest key that is kept.
const maxIdempotencyKey = 200

// Keyed names a request with an idempotency key: whose it is and what it asked for.
type Keyed struct {
	TokenID  platform.TokenID
	Key      string
	Request  string // method and path
	BodyHash string
}

// Response is what a request was answered.
type Response struct {
	Status int
	Body   []byte
}

// RecallResponse returns what the same request was answered before, nil when it is new. The key of another request is
// a conflict.
func (p *Plane) RecallResponse(ctx context.Context, k Keyed) (*Response, error) {
	if len(k.Key) > maxIdempotencyKey {
		return nil, platform.Errorf(platform.CodeInvalid, "The idempotency key is longer than %d characters.", maxIdempotencyKey).WithField("Idempotency-Key")
	}
	var kept *store.Answer
	err := p.store.View(ctx, func(tx *store.Tx) error {
		var err error
		kept, err = tx.RecallAnswer(ctx, k.TokenID, k.Key)
		return err
	})
	if err != nil || kept == nil {
		return nil, err
	}
	if kept.Request != k.Request || kept.BodyHash != k.BodyHash {
		return nil, platform.Errorf(platform.CodeConflict, "The idempotency key was used for another request.").
			WithHint("Use a fresh key for each request, and the same one only to repeat it.").WithField("Idempotency-Key")
	}
	// Sealed, since the answer may hold a token's secret.
	body, err := p.o.Sealer.Open(string(kept.Body), answerPlace(k))
	return &Response{Status: kept.Status, Body: []byte(body)}, err
}

// RememberResponse keeps an answer for a day; the first one under a key stays.
func (p *Plane) RememberResponse(ctx context.Context, k Keyed, r Response) error {
	sealed, err := p.o.Sealer.Seal(string(r.Body), answerPlace(k))
	if err != nil {
		return err
	}
	return p.store.InTx(ctx, func(tx *store.Tx) error {
		a := store.Answer{Request: k.Request, BodyHash: k.BodyHash, Status: r.Status, Body: []byte(sealed)}
		return tx.KeepAnswer(ctx, k.TokenID, k.Key, a, answerKept)
	})
}

func answerPlace(k Keyed) string { return string(k.TokenID) + "/" + k.Key }
