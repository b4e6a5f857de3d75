package client

import (
	"context"
	"net/http"

	"github.com/fairlead/fairlead/platform"
)

// CreateToken makes a token; the answer is the only one that holds its secret.
func (c *Client) CreateToken(ctx context.Context, req platform.CreateTokenRequest) (platform.CreatedToken, error) {
	return send[platform.CreatedToken](ctx, c, request{method: http.MethodPost, body: req}, "tokens")
}

// RevokeToken makes a token useless at once.
func (c *Client) RevokeToken(ctx context.Context, id platform.TokenID) error {
	return discard(ctx, c, request{method: http.MethodDelete}, "tokens", "token="+string(id))
}

// ListTokens returns every token, without secrets.
func (c *Client) ListTokens(ctx context.Context) ([]platform.Token, error) {
	l, err := get[platform.List[platform.Token]](ctx, c, nil, "tokens")
	return l.Items, err
}
