// Package embeddedpg runs a private PostgreSQL from binaries found on the host, for when no DATABASE_URL is given.
//
// It owns the folder it is given: the cluster, its socket, its log. The server is detached: it outlives this process,
// is adopted by the next one and recovered after a kill -9 of everything. It must not know what is kept in the
// database: that is store.
package embeddedpg

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/fairlead/fairlead/platform"
)

// Names inside the cluster.
const (
	role     = "fairlead"
	database = "fairlead"
)

// Options say where the private server lives.
type Options struct {
	// Dir is the folder that holds the cluster; it is made when missing. Every folder above it must be searchable by
	// the user that PostgreSQL runs as; Open sees to that for its parent and below the system's temporary folder.
	Dir string
	Log *slog.Logger // nil discards
	// Unsafe turns off every wait for the disk. A crash of the machine may destroy the cluster: for tests only.
	Unsafe bool
	// Fallback starts another server when the host has no PostgreSQL binaries, for example a container of the official
	// image, and returns its URL. Nil means that missing binaries are an error.
	Fallback func(ctx context.Context) (url string, err error)
}

// Server is a running private PostgreSQL.
type Server struct {
	log   *slog.Logger
	place *place // nil when the server came from Options.Fallback
	bin   binaries

	mu      sync.Mutex // guards the fields below
	addr    address
	url     string
	adopted bool
	stopped bool
}

// Open returns a private server that answers: one that already runs is adopted, else it is made and started.
// It blocks until the server accepts connections, which after a crash includes recovery; ctx bounds that.
// It is safe to call at once from several processes. Errors are unavailable and name what to install or change.
func Open(ctx context.Context, o Options) (*Server, error) {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	s := &Server{log: o.Log}
	home, err := newPlace(o.Dir, o.Unsafe)
	if err != nil {
		return nil, err
	}
	s.bin, err = findBinaries(ctx, home.clusterMajor())
	var none *noBinariesError
	if errors.As(err, &none) && o.Fallback != nil {
		return s, s.fallBack(ctx, o.Fallback)
	}
	if err != nil {
		return nil, err
	}
	s.place = home
	if err := s.ensure(ctx); err != nil {
		return nil, err
	}
	return s, nil
}

// URL is the server's address as a pgx connection string. It stays the same across restarts, except where unix sockets
// cannot work and the port had to change.
func (s *Server) URL() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.url
}

func (s *Server) addressNow() address {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.addr
}

// Adopted reports whether the server already ran when it was last looked for.
func (s *Server) Adopted() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.adopted
}

// Close lets go of the server and stops nothing: the next Open adopts it.
func (s *Server) Close() error { return nil }

// Stop shuts the server down: open connections are ended, what was committed is on disk. It waits until the server is
// gone or ctx ends. Stopping a stopped server is no error; a server of Options.Fallback is its starter's to stop.
func (s *Server) Stop(ctx context.Context) error {
	if s.place == nil {
		return nil
	}
	s.mu.Lock()
	s.stopped = true
	s.mu.Unlock()
	unlock, err := lock(ctx, s.place.lockFile())
	if err != nil {
		return err
	}
	defer unlock()
	return s.place.stop(ctx)
}

// ensure makes the server run and answer, under the folder's lock, and remembers how to reach it.
func (s *Server) ensure(ctx context.Context) error {
	if err := s.place.prepare(); err != nil {
		return err
	}
	unlock, err := lock(ctx, s.place.lockFile())
	if err != nil {
		return err
	}
	defer unlock()

	began := time.Now()
	addr, adopted, err := s.place.adopt(ctx)
	if err != nil {
		return err
	}
	if !adopted {
		if err := s.place.initialise(ctx, s.bin); err != nil {
			return err
		}
		if addr, err = s.place.start(ctx, s.bin, s.log); err != nil {
			return err
		}
	}
	if err := createDatabase(ctx, addr); err != nil {
		return fmt.Errorf("create the database of the private PostgreSQL: %w", err)
	}
	s.log.Info("private postgres answers", "adopted", adopted, "version", s.bin.version, "took", time.Since(began))
	s.mu.Lock()
	defer s.mu.Unlock()
	s.addr, s.url, s.adopted = addr, addr.url(database), adopted
	return nil
}

func (s *Server) fallBack(ctx context.Context, start func(context.Context) (string, error)) error {
	url, err := start(ctx)
	if err != nil {
		return fmt.Errorf("start the stand-in for a private PostgreSQL: %w", err)
	}
	s.url, s.adopted = url, false
	return nil
}

func unavailable(format string, args ...any) *platform.Error {
	return platform.Errorf(platform.CodeUnavailable, format, args...)
}
