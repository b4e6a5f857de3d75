// Package router is the data plane: it sends each request to an instance by host and path, and nothing it is told to
// do loses one.
//
// It owns the served table, what is in flight on each target, the counters, and the file of the last table, from which
// it serves with everything else down. It must not know of projects, deploys, databases or engines: it imports nothing
// of ours but routing, and learns whole tables over its unix socket.
package router

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// Config is what a router needs. Socket, TableFile and one of Listen and Listener are required.
type Config struct {
	// Listen is the address to serve on, host:port. Listener, where given, is used in its place and is closed by Run.
	Listen   string
	Listener net.Listener
	// Socket is the path of the control socket. It is made with mode 0600; one left behind by a dead router is replaced.
	Socket string
	// TableFile keeps the last table. It is read once at start.
	TableFile string
	// Log receives the router's own messages and the access log. nil discards.
	Log *slog.Logger
	// AccessSample is how many good requests go by for each one logged; 0 logs none. Requests without an answer and
	// those answered 5xx are always logged.
	AccessSample int
	// H2C also serves HTTP/2 without TLS.
	H2C bool
	// Grace is how long Run lets requests finish after its context ended; 0 means 30 s.
	Grace time.Duration
}

// Limits of the client side. Bodies and answers have none: streams may last.
const (
	defaultGrace      = 30 * time.Second
	readHeaderTimeout = 10 * time.Second
	clientIdleTimeout = 2 * time.Minute
	maxHeaderBytes    = 64 << 10
)

// Router serves requests. Make one with New.
type Router struct {
	config    Config
	log       *slog.Logger
	boot      string
	transport *http.Transport
	table     atomic.Pointer[table]
	active    atomic.Int64  // requests being served, tunnels included
	sampled   atomic.Uint64 // good requests seen, for the access log

	installing sync.Mutex // one table at a time is saved and swapped
	mu         sync.Mutex // guards the fields below
	states     map[string]*targetState
	counters   map[counterKey]*counter
}

// New returns a router with an empty table. It opens nothing and starts nothing.
func New(config Config) *Router {
	if config.Log == nil {
		config.Log = slog.New(slog.DiscardHandler)
	}
	if config.Grace == 0 {
		config.Grace = defaultGrace
	}
	r := &Router{
		config:   config,
		log:      config.Log,
		boot:     fmt.Sprintf("%016x", rand.Uint64()),
		states:   map[string]*targetState{},
		counters: map[counterKey]*counter{},
	}
	r.transport = newTransport()
	r.table.Store(emptyTable())
	return r
}

// Run loads the saved table and serves until ctx ends; then it accepts nothing new, lets requests finish for up to
// Config.Grace, closes the rest, and returns. It returns an error when the address or the socket cannot be had, or
// when another router answers on the socket. It may be called once.
func (r *Router) Run(ctx context.Context) error {
	if err := r.load(); err != nil {
		return err
	}
	listener, err := r.listen(ctx)
	if err != nil {
		return err
	}
	socket, err := openSocket(ctx, r.config.Socket)
	if err != nil {
		listener.Close()
		return err
	}
	defer socket.Close()
	defer r.transport.CloseIdleConnections()

	base, abort := context.WithCancelCause(context.Background())
	defer abort(errStopping)
	front := r.server(base)
	control := &http.Server{Handler: r.controlHandler(), ReadHeaderTimeout: readHeaderTimeout, ErrorLog: r.errorLog()}
	failed := make(chan error, 2)
	go func() { failed <- serve("requests", front, listener) }()
	go func() { failed <- serve("control socket", control, socket) }()
	r.log.Info("router is serving", "address", listener.Addr().String(), "socket", r.config.Socket, "version", r.table.Load().version)

	running := 2
	var first error
	select {
	case <-ctx.Done():
	case first = <-failed:
		running--
	}
	r.stop(front, control, abort)
	for ; running > 0; running-- {
		first = errors.Join(first, <-failed)
	}
	return first
}

func (r *Router) listen(ctx context.Context) (net.Listener, error) {
	if r.config.Listener != nil {
		return r.config.Listener, nil
	}
	var config net.ListenConfig
	listener, err := config.Listen(ctx, "tcp", r.config.Listen)
	if err != nil {
		return nil, fmt.Errorf("listen on %s: %w", r.config.Listen, err)
	}
	return listener, nil
}

func (r *Router) server(base context.Context) *http.Server {
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	protocols.SetUnencryptedHTTP2(r.config.H2C)
	return &http.Server{
		Handler:           r,
		ReadHeaderTimeout: readHeaderTimeout,
		IdleTimeout:       clientIdleTimeout,
		MaxHeaderBytes:    maxHeaderBytes,
		Protocols:         protocols,
		BaseContext:       func(net.Listener) context.Context { return base },
		ErrorLog:          r.errorLog(),
	}
}

// stop closes the front door, waits for what is in flight, tunnels too, and then ends what is left.
func (r *Router) stop(front, control *http.Server, abort context.CancelCauseFunc) {
	ctx, cancel := context.WithTimeout(context.Background(), r.config.Grace)
	defer cancel()
	r.log.Info("router is stopping", "in_flight", r.active.Load())
	err := front.Shutdown(ctx)
	if !r.idle(ctx) || err != nil {
		r.log.Warn("requests were cut at the end of the grace time", "in_flight", r.active.Load(), "grace", r.config.Grace)
	}
	abort(errStopping)
	ended, cancelEnded := context.WithTimeout(context.Background(), time.Second)
	defer cancelEnded()
	r.idle(ended)
	front.Close()
	control.Close()
}

// idle waits until nothing is being served, and reports whether that came before ctx ended.
func (r *Router) idle(ctx context.Context) bool {
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for r.active.Load() > 0 {
		select {
		case <-ctx.Done():
			return false
		case <-tick.C:
		}
	}
	return true
}

func serve(what string, server *http.Server, listener net.Listener) error {
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve %s: %w", what, err)
	}
	return nil
}
