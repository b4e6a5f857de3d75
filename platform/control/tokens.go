package control

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/fairlead/fairlead/platform"
	"github.com/fairlead/fairlead/platform/store"
)

const (
	secretBytes   = 24
	maxSecretSize = 200
	// touchEvery bounds how often the last use of a token is written.
	touchEvery   = time.Minute
	maxTokenName = 100
)

func unknownToken() error {
	return platform.Errorf(platform.CodeUnauthenticated, "The token is not known, has expired or was revoked.").
		WithHint("Sign in with a token that is valid: fairlead login.")
}

// newSecret returns a token's secret and the hash under which it is kept. The secret has 192 random bits, so a plain
// hash is enough: there is nothing to guess.
func newSecret() (secret string, hash []byte) {
	var raw [secretBytes]byte
	if _, err := rand.Read(raw[:]); err != nil {
		panic("control: the system has no random source: " + err.Error())
	}
	secret = platform.TokenPrefix + hex.EncodeToString(raw[:])
	return secret, hashSecret(secret)
}

func hashSecret(secret string) []byte {
	sum := sha256.Sum256([]byte(secret))
	return sum[:]
}

// Authenticate returns the actor behind a token's secret: unauthenticated when unknown, expired or revoked. It looks
// the hash up each time, so that a revocation holds at once.
func (p *Plane) Authenticate(ctx context.Context, secret, channel string) (platform.Actor, error) {
	if !strings.HasPrefix(secret, platform.TokenPrefix) || len(secret) > maxSecretSize {
		return platform.Actor{}, unknownToken()
	}
	var token platform.Token
	err := p.store.View(ctx, func(tx *store.Tx) error {
		var err error
		token, err = tx.TokenByHash(ctx, hashSecret(secret))
		return err
	})
	if platform.CodeOf(err) == platform.CodeNotFound {
		return platform.Actor{}, unknownToken()
	}
	if err != nil {
		return platform.Actor{}, err
	}
	now := p.now()
	if token.RevokedAt != nil || token.ExpiresAt != nil && !now.Before(*token.ExpiresAt) {
		return platform.Actor{}, unknownToken()
	}
	p.touch(ctx, token, now)
	return platform.Actor{
		Kind: token.Kind, Name: token.Name, TokenID: token.ID, Role: token.Role, Owner: token.Owner, Projects: token.Projects, Channel: channel,
	}, nil
}

// touch notes the use of a token, at most once a minute; that it fails keeps nobody out.
func (p *Plane) touch(ctx context.Context, token platform.Token, now time.Time) {
	if token.LastUsedAt != nil && now.Sub(*token.LastUsedAt) < touchEvery {
		return
	}
	err := p.store.InTx(ctx, func(tx *store.Tx) error { return tx.TouchToken(ctx, token.ID, now) })
	if err != nil {
		p.o.Log.Warn("last use of a token is not noted", "token", token.ID, "error", err)
	}
}

// CreateToken makes a token. Its secret is in the answer and nowhere else. An admin of some projects makes tokens of
// those projects only.
func (p *Plane) CreateToken(ctx context.Context, actor platform.Actor, req platform.CreateTokenRequest) (platform.CreatedToken, error) {
	if err := authorize(actor, verbManageTokens, ""); err != nil {
		return platform.CreatedToken{}, err
	}
	if err := checkToken(actor, req); err != nil {
		return platform.CreatedToken{}, err
	}
	token := platform.Token{
		ID: platform.NewID[platform.TokenID](platform.PrefixToken), Name: req.Name, Kind: req.Kind, Role: req.Role,
		Projects: req.Projects, CreatedAt: p.now(),
	}
	if req.Kind != platform.ActorHuman {
		token.Owner = actor.Name
		if actor.Kind != platform.ActorHuman {
			token.Owner = actor.Owner
		}
	}
	if req.TTL > 0 {
		expires := token.CreatedAt.Add(req.TTL.D())
		token.ExpiresAt = &expires
	}
	secret, hash := newSecret()
	err := p.store.InTx(ctx, func(tx *store.Tx) error {
		for _, name := range req.Projects {
			if _, err := findProject(ctx, tx, actor, verbManageTokens, name); err != nil {
				return err
			}
		}
		p.recordToken(tx, actor, platform.EventTokenCreated, "created", token)
		return tx.InsertToken(ctx, token, hash)
	})
	if err != nil {
		return platform.CreatedToken{}, err
	}
	return platform.CreatedToken{Token: token, Secret: secret}, nil
}

func checkToken(actor platform.Actor, req platform.CreateTokenRequest) error {
	bad := func(field, format string, args ...any) *platform.Error {
		return platform.Errorf(platform.CodeInvalid, format, args...).WithField(field)
	}
	switch {
	case strings.TrimSpace(req.Name) == "" || len(req.Name) > maxTokenName || store.Clean(req.Name) != req.Name:
		return bad("name", "A token needs the name of its principal, at most %d characters.", maxTokenName).WithHint("For example ada, or ci.")
	case req.Kind != platform.ActorHuman && req.Kind != platform.ActorAutomation && req.Kind != platform.ActorAgent:
		return bad("kind", "%q is not a kind of token.", platform.Truncate(string(req.Kind), 40)).WithHint("Choose human, automation or agent.")
	case !req.Role.Valid():
		return bad("role", "%q is not a role.", platform.Truncate(string(req.Role), 40)).WithHint("Choose sender, viewer, operator or admin.")
	case req.Role == platform.RoleSender && req.Kind != platform.ActorAutomation:
		return bad("role", "The role sender is for programs that send telemetry, not for a token of kind %s.", req.Kind).WithHint("Choose the kind automation, or another role.")
	case req.TTL < 0:
		return bad("ttl", "The time to live is negative.").WithHint("Leave it out for a token that does not expire.")
	case req.Kind == platform.ActorHuman && actor.Kind != platform.ActorHuman && actor.Kind != platform.ActorSystem:
		return platform.Errorf(platform.CodeDenied, "%s is %s and may not make tokens of people, who approve plans.", actor.Name, actor.Kind).
			WithHint("A person with the role admin must do it.")
	case len(actor.Projects) > 0 && len(req.Projects) == 0:
		return platform.Errorf(platform.CodeDenied, "%s is limited to %s and cannot make a token for every project.", actor.Name, listed(actor.Projects)).
			WithHint("Name the projects of the token.").WithField("projects")
	}
	for _, name := range req.Projects {
		if !actor.MaySee(name) {
			return noProject(name).WithField("projects")
		}
	}
	return nil
}

func (p *Plane) recordToken(tx *store.Tx, actor platform.Actor, kind platform.EventKind, word string, token platform.Token) {
	p.record(tx, fact{
		kind: kind, actor: actor, subject: string(token.ID),
		summary: fmt.Sprintf("%s %s the token of %s %s with the role %s.", actor.Name, word, token.Kind, token.Name, token.Role),
		payload: map[string]any{"kind": token.Kind, "role": token.Role, "projects": append([]string{}, token.Projects...), "expires_at": token.ExpiresAt},
	})
}

// RevokeToken ends a token at once. Revoking it again is no error.
func (p *Plane) RevokeToken(ctx context.Context, actor platform.Actor, id platform.TokenID) error {
	if err := authorize(actor, verbManageTokens, ""); err != nil {
		return err
	}
	return p.store.InTx(ctx, func(tx *store.Tx) error {
		token, err := tx.LockToken(ctx, id)
		if err != nil {
			return err
		}
		if !ownsToken(actor, token) {
			return platform.Errorf(platform.CodeNotFound, "There is no token %q.", id)
		}
		if token.RevokedAt != nil {
			return nil
		}
		now := p.now()
		token.RevokedAt = &now
		p.recordToken(tx, actor, platform.EventTokenRevoked, "revoked", token)
		return tx.UpdateToken(ctx, token)
	})
}

// ownsToken reports whether a token lies within the actor's scope.
func ownsToken(actor platform.Actor, token platform.Token) bool {
	if len(actor.Projects) == 0 {
		return true
	}
	return len(token.Projects) > 0 && !slices.ContainsFunc(token.Projects, func(name string) bool { return !actor.MaySee(name) })
}

// ListTokens returns the tokens within the actor's scope, without their secrets, which nobody has.
func (p *Plane) ListTokens(ctx context.Context, actor platform.Actor) ([]platform.Token, error) {
	if err := authorize(actor, verbManageTokens, ""); err != nil {
		return nil, err
	}
	tokens := []platform.Token{}
	err := p.store.View(ctx, func(tx *store.Tx) error {
		all, err := tx.ListTokens(ctx)
		tokens = slices.DeleteFunc(all, func(t platform.Token) bool { return !ownsToken(actor, t) })
		return err
	})
	return tokens, err
}

// adminTokenSetting holds the id of the token that the first start made.
const adminTokenSetting = "admin-token"

// EnsureAdminToken makes the admin's token at the first start and writes its secret to the file at path with mode 0600.
// When the file is there and its token is valid nothing is done; when the file is lost, a new token replaces the old one,
// which is revoked.
func (p *Plane) EnsureAdminToken(ctx context.Context, path string) error {
	kept, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("read the admin token: %w", err)
	}
	if err == nil {
		_, err := p.Authenticate(ctx, strings.TrimSpace(string(kept)), "cli")
		if platform.CodeOf(err) != platform.CodeUnauthenticated {
			return err
		}
	}
	secret, hash := newSecret()
	token := platform.Token{
		ID: platform.NewID[platform.TokenID](platform.PrefixToken), Name: "admin", Kind: platform.ActorHuman, Role: platform.RoleAdmin, CreatedAt: p.now(),
	}
	// The file first: a token in the database whose secret nobody has helps nobody.
	if err := writeSecret(path, secret); err != nil {
		return err
	}
	return p.store.InTx(ctx, func(tx *store.Tx) error {
		old, err := tx.Setting(ctx, adminTokenSetting)
		if err != nil {
			return err
		}
		if old != "" {
			if err := p.revokeOld(ctx, tx, platform.TokenID(old)); err != nil {
				return err
			}
		}
		p.recordToken(tx, platform.SystemActor("server"), platform.EventTokenCreated, "created", token)
		if err := tx.PutSetting(ctx, adminTokenSetting, string(token.ID)); err != nil {
			return err
		}
		return tx.InsertToken(ctx, token, hash)
	})
}

func (p *Plane) revokeOld(ctx context.Context, tx *store.Tx, id platform.TokenID) error {
	token, err := tx.LockToken(ctx, id)
	if platform.CodeOf(err) == platform.CodeNotFound || err == nil && token.RevokedAt != nil {
		return nil
	}
	if err != nil {
		return err
	}
	now := p.now()
	token.RevokedAt = &now
	p.recordToken(tx, platform.SystemActor("server"), platform.EventTokenRevoked, "revoked", token)
	return tx.UpdateToken(ctx, token)
}

// writeSecret writes a file that only its owner reads, all of it or nothing.
func writeSecret(path, text string) error {
	draft, err := os.CreateTemp(filepath.Dir(path), ".admin-token-*") // mode 0600
	if err != nil {
		return fmt.Errorf("write the admin token: %w", err)
	}
	defer os.Remove(draft.Name())
	_, err = draft.WriteString(text + "\n")
	if err := errors.Join(err, draft.Sync(), draft.Close()); err != nil {
		return fmt.Errorf("write the admin token: %w", err)
	}
	if err := os.Rename(draft.Name(), path); err != nil {
		return fmt.Errorf("write the admin token: %w", err)
	}
	return nil
}
