package httpapi

import (
	"context"
	"net/http"

	"github.com/fairlead/fairlead/platform"
)

type createTokenInput struct {
	WriteHeader
	Body struct {
		Name     string             `json:"name" minLength:"1" maxLength:"63" doc:"The principal: a person, a CI job, an agent."`
		Kind     platform.ActorKind `json:"kind" enum:"human,automation,agent" doc:"Agents may propose, never approve."`
		Role     platform.Role      `json:"role" enum:"sender,viewer,operator,admin" doc:"A sender may send telemetry and nothing else."`
		Projects []string           `json:"projects,omitempty" maxItems:"100" doc:"Only these projects; left out means all." nullable:"false"`
		TTL      platform.Duration  `json:"ttl,omitempty" doc:"How long it is good for, for example 720h; left out means until revoked."`
	}
}

// TokenPath names a token.
type TokenPath struct {
	Token platform.TokenID `path:"token" maxLength:"80" doc:"Id of the token: tok_..."`
}

func (a *API) registerTokens() {
	handle(a, operation{
		ID: "list-tokens", Method: http.MethodGet, Path: "/v1/tokens", Tag: "tokens", Summary: "List tokens",
		Description: "Admins only. Secrets are not kept and so never shown.",
	}, func(ctx context.Context, actor platform.Actor, _ *struct{}) (platform.List[platform.Token], error) {
		return list(a.plane.ListTokens(ctx, actor))
	})
	handle(a, operation{
		ID: "create-token", Method: http.MethodPost, Path: "/v1/tokens", Tag: "tokens", Summary: "Create a token",
		Description: "Admins only. This answer is the only one that holds the secret.",
		Status:      http.StatusCreated, Errors: []int{http.StatusConflict},
	}, func(ctx context.Context, actor platform.Actor, in *createTokenInput) (platform.CreatedToken, error) {
		return a.plane.CreateToken(ctx, actor, platform.CreateTokenRequest{
			Name: in.Body.Name, Kind: in.Body.Kind, Role: in.Body.Role, Projects: in.Body.Projects, TTL: in.Body.TTL,
		})
	})
	handleEmpty(a, operation{
		ID: "revoke-token", Method: http.MethodDelete, Path: "/v1/tokens/{token}", Tag: "tokens", Summary: "Revoke a token",
		Description: "Admins only.", Errors: []int{http.StatusNotFound},
	}, func(ctx context.Context, actor platform.Actor, in *struct {
		TokenPath
		WriteHeader
	},
	) error {
		return a.plane.RevokeToken(ctx, actor, in.Token)
	})
}
