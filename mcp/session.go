package mcp

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"net/http"
	"strings"

	"github.com/mark3labs/mcp-go/server"
)

// owners makes ids of sessions that are good with one token only: an id holds a random part and its signature by that
// token, which is a random key. Nothing is kept, so that sessions outlive a restart of the server, and one that somebody
// else learned of is worth nothing to them.
type owners struct{}

// ResolveSessionIdManager implements server.SessionIdManagerResolver. r is nil when idle sessions are swept.
func (owners) ResolveSessionIdManager(r *http.Request) server.SessionIdManager {
	if r == nil {
		return ownedIDs{sweeping: true}
	}
	return ownedIDs{token: bearer(r)}
}

func sign(token, random string) string {
	mac := hmac.New(sha256.New, []byte(token))
	mac.Write([]byte("fairlead mcp session\x00" + random))
	return hex.EncodeToString(mac.Sum(nil))
}

// owns reports whether the session was opened with the token.
func owns(token, id string) bool {
	random, signature, _ := strings.Cut(id, ".")
	return hmac.Equal([]byte(signature), []byte(sign(token, random)))
}

// ownedIDs are the ids of one token's sessions.
type ownedIDs struct {
	token    string
	sweeping bool
}

var errForeign = errors.New("there is no such session of this token")

// Generate implements server.SessionIdManager.
func (i ownedIDs) Generate() string {
	random := rand.Text()
	return random + "." + sign(i.token, random)
}

// Validate implements server.SessionIdManager.
func (i ownedIDs) Validate(id string) (terminated bool, err error) {
	if !owns(i.token, id) {
		return false, errForeign
	}
	return false, nil
}

// Terminate implements server.SessionIdManager.
func (i ownedIDs) Terminate(id string) (notAllowed bool, err error) {
	if !i.sweeping && !owns(i.token, id) {
		return false, errForeign
	}
	return false, nil
}
