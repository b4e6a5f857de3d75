package httpapi

import (
	"context"
	"strings"

	"github.com/gofiber/fiber/v2"

	"github.com/fairlead/fairlead/platform"
)

// headerChannel says through which face a request came, for the event: cli, mcp or dashboard. It grants nothing.
const headerChannel = "Fairlead-Channel"

// openPaths need no token: they say whether the server lives and what it offers, and nothing about what it runs.
var openPaths = map[string]bool{"/healthz": true, "/readyz": true, "/openapi.json": true, "/openapi.yaml": true}

type actorKey struct{}

func actorOf(ctx context.Context) platform.Actor {
	actor, _ := ctx.Value(actorKey{}).(platform.Actor)
	return actor
}

// authenticate is the choke point: no operation is reached without an actor but the open paths.
func (a *API) authenticate(c *fiber.Ctx) error {
	if openPaths[c.Path()] && c.Method() == fiber.MethodGet {
		return c.Next()
	}
	secret, ok := bearer(c.Get(fiber.HeaderAuthorization))
	if !ok {
		return a.refuse(c, noToken())
	}
	ctx, cancel := context.WithTimeout(c.UserContext(), a.opts.RequestTimeout)
	defer cancel()
	actor, err := a.plane.Authenticate(ctx, secret, channelOf(c.Get(headerChannel)))
	if err != nil {
		return a.refuse(c, err)
	}
	exchangeOf(c.UserContext()).known(actor.Kind)
	again := func(ctx context.Context) error {
		_, err := a.plane.Authenticate(ctx, secret, actor.Channel)
		return err
	}
	c.SetUserContext(context.WithValue(context.WithValue(c.UserContext(), actorKey{}, actor), againKey{}, again))
	return c.Next()
}

type againKey struct{}

// stillValid returns why the token that opened a stream no longer opens one, nil while it does. A server that cannot
// look keeps the stream: what is sent was allowed when it was opened, and the next look decides.
func (a *API) stillValid(ctx context.Context) error {
	again, ok := ctx.Value(againKey{}).(func(context.Context) error)
	if !ok {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, a.opts.RequestTimeout)
	defer cancel()
	if err := again(ctx); platform.CodeOf(err) == platform.CodeUnauthenticated {
		return err
	}
	return nil
}

func (a *API) refuse(c *fiber.Ctx, err error) error {
	p := a.problemOf(c.UserContext(), err)
	if p.Code == platform.CodeUnauthenticated {
		c.Set(fiber.HeaderWWWAuthenticate, challenge)
	}
	return sendProblem(c, p)
}

// challenge says how to sign in.
const challenge = `Bearer realm="fairlead"`

func noToken() error {
	return platform.Errorf(platform.CodeUnauthenticated, "This request carries no token.").
		WithHint("Send the header Authorization: Bearer <token>; `fairlead login` stores one.")
}

func bearer(header string) (string, bool) {
	scheme, secret, found := strings.Cut(header, " ")
	secret = strings.TrimSpace(secret)
	return secret, found && strings.EqualFold(scheme, "Bearer") && secret != ""
}

func channelOf(header string) string {
	switch header {
	case "cli", "mcp", "dashboard":
		return header
	}
	return "api"
}
