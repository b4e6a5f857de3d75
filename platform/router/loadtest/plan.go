// Package loadtest sends a constant stream of requests through a router and says what became of each.
//
// It owns an open-loop generator: requests leave on schedule whatever the answers do, and latency counts from the
// scheduled time, so that a stall shows as what users would feel. Tests, the demo and the benchmarks use it. It sends
// to loopback addresses only and must not know what it tests.
package loadtest

import (
	"fmt"
	"net"
	"net/url"
	"time"
)

// HeaderID names a request so that a backend can tell a doubled one: each value is sent once.
const HeaderID = "X-Load-Id"

// Limits of a plan.
const (
	MaxRate     = 20_000
	MaxDuration = time.Hour
	MaxStreams  = 1_000
	// MaxInFlight bounds what is waiting for an answer; more is counted as failed, not sent.
	MaxInFlight = 10_000
	maxBody     = 16 << 20
)

// Plan is a load. Its zero fields have defaults where one is named.
type Plan struct {
	// URL is where the router listens, http://127.0.0.1:7780. Only loopback addresses and localhost are allowed.
	URL string
	// Host is the Host header; "" means that of URL.
	Host string
	// Rate is requests per second, not counting streams and sockets.
	Rate int
	// Duration ends the load; 0 means until the context ends or Stop is called, at most MaxDuration.
	Duration time.Duration
	// Mix is what is sent, by weight; empty means GET /.
	Mix []Request
	// Timeout of one request; 0 means 30 s.
	Timeout time.Duration
	// Streams is how many long answers to StreamPath are kept open. One that ends cleanly (a last chunk) is opened
	// again; one that breaks off is counted as broken, and opened again.
	Streams    int
	StreamPath string
	// Sockets is how many WebSocket connections to SocketPath are kept open. Each sends a short text frame every
	// 100 ms and expects it back. A close frame or a clean end of the connection is no failure.
	Sockets    int
	SocketPath string
}

// Request is one kind of request of a mix.
type Request struct {
	Method    string // "" means GET
	Path      string // "" means /
	BodyBytes int    // of a body of letters; 0 for none
	Weight    int    // 0 means 1
}

// Check returns what is wrong with the plan, or nil.
func (p Plan) Check() error {
	u, err := url.Parse(p.URL)
	if err != nil {
		return fmt.Errorf("load plan: parse URL: %w", err)
	}
	if u.Scheme != "http" || u.Port() == "" || !loopback(u.Hostname()) {
		return fmt.Errorf("load plan: URL %q is not http://<loopback address>:<port>; only this machine may be loaded", p.URL)
	}
	switch {
	case p.Rate < 0 || p.Rate > MaxRate:
		return fmt.Errorf("load plan: rate %d is not between 0 and %d", p.Rate, MaxRate)
	case p.Duration < 0 || p.Duration > MaxDuration:
		return fmt.Errorf("load plan: duration %v is not between 0 and %v", p.Duration, MaxDuration)
	case p.Streams < 0 || p.Streams > MaxStreams || p.Sockets < 0 || p.Sockets > MaxStreams:
		return fmt.Errorf("load plan: %d streams and %d sockets are not between 0 and %d", p.Streams, p.Sockets, MaxStreams)
	case p.Rate == 0 && p.Streams == 0 && p.Sockets == 0:
		return fmt.Errorf("load plan: nothing to send")
	}
	for _, r := range p.Mix {
		if r.BodyBytes < 0 || r.BodyBytes > maxBody || r.Weight < 0 {
			return fmt.Errorf("load plan: body of %d bytes with weight %d is not allowed", r.BodyBytes, r.Weight)
		}
	}
	return nil
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// withDefaults fills in what the plan leaves open. The plan has been checked.
func (p Plan) withDefaults() Plan {
	if u, err := url.Parse(p.URL); err == nil && p.Host == "" {
		p.Host = u.Host
	}
	if p.Duration == 0 {
		p.Duration = MaxDuration
	}
	if p.Timeout == 0 {
		p.Timeout = 30 * time.Second
	}
	mix := make([]Request, 0, len(p.Mix)+1)
	mix = append(mix, p.Mix...)
	if len(mix) == 0 {
		mix = append(mix, Request{})
	}
	for i := range mix {
		if mix[i].Method == "" {
			mix[i].Method = "GET"
		}
		if mix[i].Path == "" {
			mix[i].Path = "/"
		}
		if mix[i].Weight == 0 {
			mix[i].Weight = 1
		}
	}
	p.Mix = mix
	return p
}
