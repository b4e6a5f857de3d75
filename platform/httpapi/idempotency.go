package httpapi

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"regexp"
	"sync"

	"github.com/gofiber/fiber/v2"

	"github.com/fairlead/fairlead/platform"
	"github.com/fairlead/fairlead/platform/control"
)

const (
	headerIdempotencyKey = "Idempotency-Key"
	headerReplayed       = "Idempotency-Replayed"
)

// responses remembers the answer to a write by the actor's key, so that a client that lost the answer can ask again
// without doing it twice. RecallResponse returns nil for a key never seen, and a conflict error when the key was used
// for another request. *control.Plane satisfies it and seals what it keeps.
type responses interface {
	RecallResponse(ctx context.Context, k control.Keyed) (*control.Response, error)
	RememberResponse(ctx context.Context, k control.Keyed, r control.Response) error
}

var goodKey = regexp.MustCompile(`^[\x21-\x7e]{1,128}$`)

// repeatable answers a write that carries an idempotency key from memory when it was done before. Only answers that
// changed something are remembered: a refusal changed nothing and may be tried again.
func (a *API) repeatable(c *fiber.Ctx) error {
	key := c.Get(headerIdempotencyKey)
	if key == "" || c.Method() == fiber.MethodGet || c.Method() == fiber.MethodHead {
		return c.Next()
	}
	ctx, actor := c.UserContext(), actorOf(c.UserContext())
	if err := a.checkKey(key); err != nil {
		return sendProblem(c, a.problemOf(ctx, err))
	}
	k := control.Keyed{TokenID: actor.TokenID, Key: key, Request: c.Method() + " " + c.OriginalURL(), BodyHash: bodyHash(c)}
	lock := string(k.TokenID) + " " + key
	if !a.writes.lock(lock) {
		return sendProblem(c, a.problemOf(ctx, platform.Errorf(platform.CodeConflict, "A request with this idempotency key is still running.").
			WithHint("Wait for its answer, or use another key for another request.").WithField(headerIdempotencyKey)))
	}
	defer a.writes.unlock(lock)
	kept, err := a.opts.Responses.RecallResponse(ctx, k)
	if err != nil {
		return sendProblem(c, a.problemOf(ctx, err))
	}
	if kept != nil {
		return replay(c, kept)
	}
	if err := c.Next(); err != nil {
		return err
	}
	a.remember(c, k)
	return nil
}

func (a *API) checkKey(key string) error {
	if a.opts.Responses == nil {
		return platform.Errorf(platform.CodeInvalid, "This server does not remember idempotency keys.").WithHint("Leave the header out.").WithField(headerIdempotencyKey)
	}
	if !goodKey.MatchString(key) {
		return platform.Errorf(platform.CodeInvalid, "The idempotency key is not 1 to 128 visible ASCII characters.").
			WithHint("Use a random UUID.").WithField(headerIdempotencyKey)
	}
	return nil
}

func replay(c *fiber.Ctx, kept *control.Response) error {
	c.Set(headerReplayed, "true")
	if len(kept.Body) > 0 {
		c.Set(fiber.HeaderContentType, fiber.MIMEApplicationJSON)
	}
	return c.Status(kept.Status).Send(kept.Body)
}

func (a *API) remember(c *fiber.Ctx, k control.Keyed) {
	status := c.Response().StatusCode()
	if status < 200 || status > 299 || c.Response().IsBodyStream() {
		return
	}
	// The change is made: a client that went away meanwhile is exactly the one that asks again.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(c.UserContext()), a.opts.RequestTimeout)
	defer cancel()
	if err := a.opts.Responses.RememberResponse(ctx, k, control.Response{Status: status, Body: c.Response().Body()}); err != nil {
		a.log.WarnContext(ctx, "answer not remembered", "request", requestID(ctx), "error", err)
	}
}

func bodyHash(c *fiber.Ctx) string {
	sum := sha256.Sum256(c.Body())
	return hex.EncodeToString(sum[:])
}

// keyLocks refuses a second request with the same key while the first one runs.
type keyLocks struct {
	mu   sync.Mutex // guards held
	held map[string]bool
}

func newKeyLocks() *keyLocks { return &keyLocks{held: map[string]bool{}} }

func (k *keyLocks) lock(key string) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.held[key] {
		return false
	}
	k.held[key] = true
	return true
}

func (k *keyLocks) unlock(key string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	delete(k.held, key)
}
