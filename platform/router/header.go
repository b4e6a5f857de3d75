package router

import (
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"net/textproto"
	"strings"
)

// Names in the form that http.Header keys have.
const (
	headerForwardedFor   = "X-Forwarded-For"
	headerForwardedHost  = "X-Forwarded-Host"
	headerForwardedProto = "X-Forwarded-Proto"
	headerRequestID      = "X-Request-Id"
)

const maxRequestIDLength = 128

// hopByHop are the headers that belong to one connection (RFC 9110, section 7.6.1, and older practice).
var hopByHop = [...]string{
	"Connection", "Proxy-Connection", "Keep-Alive", "Proxy-Authenticate", "Proxy-Authorization", "Te", "Trailer",
	"Transfer-Encoding", "Upgrade",
}

// claimed are headers in which a client could claim to be somebody else. The X-Forwarded family goes by its prefix.
var claimed = [...]string{"Forwarded", "X-Real-Ip", "X-Client-Ip", "True-Client-Ip"}

// prepareRequest makes the client's headers those of the request to the instance, in place, and returns the request id.
func prepareRequest(req *http.Request) (id string) {
	h := req.Header
	upgrade := upgradeOf(h)
	trailers := hasToken(h["Te"], "trailers")
	removeHopByHop(h)
	if trailers {
		h["Te"] = []string{"trailers"}
	}
	if upgrade != "" {
		h["Connection"] = []string{"Upgrade"}
		h["Upgrade"] = []string{upgrade}
	}
	for _, name := range claimed {
		delete(h, name)
	}
	for name := range h {
		if strings.HasPrefix(name, "X-Forwarded-") {
			delete(h, name)
		}
	}
	id = requestID(h)
	values := [...]string{clientIP(req.RemoteAddr), req.Host, "http", id}
	if req.TLS != nil {
		values[2] = "https"
	}
	h[headerForwardedFor] = values[0:1:1]
	h[headerForwardedHost] = values[1:2:2]
	h[headerForwardedProto] = values[2:3:3]
	h[headerRequestID] = values[3:4:4]
	if _, ok := h["User-Agent"]; !ok {
		h["User-Agent"] = nil // else the transport would add its own
	}
	return id
}

// prepareAnswer makes the instance's headers those of the answer to the client.
func prepareAnswer(to, from http.Header, id string) {
	removeHopByHop(from)
	for name, values := range from {
		to[name] = values
	}
	if _, ok := to["Content-Type"]; !ok {
		to["Content-Type"] = nil // else the server would guess one
	}
	if _, ok := to[headerRequestID]; !ok {
		to[headerRequestID] = []string{id}
	}
}

// removeHopByHop deletes the headers of this connection, those that Connection names included.
func removeHopByHop(h http.Header) {
	for _, value := range h["Connection"] {
		for name := range strings.SplitSeq(value, ",") {
			if name = textproto.TrimString(name); name != "" {
				h.Del(name)
			}
		}
	}
	for _, name := range hopByHop {
		delete(h, name)
	}
}

// upgradeOf returns the protocol that a request or an answer wants to switch to, "" for none.
func upgradeOf(h http.Header) string {
	if !hasToken(h["Connection"], "upgrade") {
		return ""
	}
	return h.Get("Upgrade")
}

func hasToken(values []string, token string) bool {
	for _, value := range values {
		for part := range strings.SplitSeq(value, ",") {
			if strings.EqualFold(textproto.TrimString(part), token) {
				return true
			}
		}
	}
	return false
}

func clientIP(remote string) string {
	host, _, err := net.SplitHostPort(remote)
	if err != nil {
		return remote
	}
	return host
}

// requestID passes a sensible id of the client on, and makes one otherwise.
func requestID(h http.Header) string {
	if values := h[headerRequestID]; len(values) == 1 && plainID(values[0]) {
		return values[0]
	}
	return fmt.Sprintf("%016x%016x", rand.Uint64(), rand.Uint64())
}

func plainID(id string) bool {
	if id == "" || len(id) > maxRequestIDLength {
		return false
	}
	for i := 0; i < len(id); i++ {
		if id[i] <= ' ' || id[i] > '~' {
			return false
		}
	}
	return true
}
