// Package store holds the state of an installation in Postgres.
//
// It owns all SQL, the migrations, the event chain and the queue's insert side: row, event and job of one change are
// committed in one transaction. It must not know who may do what or what a change means: that is control.
package store

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"

	"github.com/fairlead/fairlead/platform"
)

// Limits of time: nothing waits longer for a database that does not answer.
const (
	connectTimeout = 2 * time.Second
	acquireTimeout = 2500 * time.Millisecond
	txTimeout      = 20 * time.Second
)

// maxConns is the size of the pool: enough for the workers and the API of one server, well under Postgres' default of 100.
const maxConns = 16

// Options say which database to open.
type Options struct {
	URL string
	// ClientID names this server among those that work jobs; empty means a fresh name from the host and random bits.
	ClientID string
	Log      *slog.Logger // nil means no log
}

// Store is an open database. All methods may be called by many goroutines.
type Store struct {
	pool     *pgxpool.Pool
	queue    *river.Client[pgx.Tx]
	log      *slog.Logger
	clientID string
	presence *presence
}

// Open connects, applies the migrations that are missing, and takes the lock that tells other servers that this one
// lives. It returns unavailable when the database does not answer within a few seconds.
func Open(ctx context.Context, o Options) (*Store, error) {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.ClientID == "" {
		o.ClientID = newClientID()
	}
	pool, err := openPool(ctx, o.URL)
	if err != nil {
		return nil, err
	}
	s := &Store{pool: pool, log: o.Log, clientID: o.ClientID}
	if err := s.prepare(ctx); err != nil {
		pool.Close()
		return nil, err
	}
	return s, nil
}

func openPool(ctx context.Context, url string) (*pgxpool.Pool, error) {
	cfg, err := pgxpool.ParseConfig(url)
	if err != nil {
		return nil, platform.Errorf(platform.CodeInvalid, "The database URL cannot be read.").
			WithHint("Write it as postgres://user:password@host:5432/name.").WithField("DATABASE_URL")
	}
	cfg.MaxConns = max(cfg.MaxConns, maxConns)
	cfg.ConnConfig.ConnectTimeout = connectTimeout
	cfg.PingTimeout = connectTimeout
	cfg.ConnConfig.RuntimeParams["application_name"] = "fairlead"
	cfg.ConnConfig.RuntimeParams["timezone"] = "UTC"
	pool, err := pgxpool.NewWithConfig(ctx, cfg)
	if err != nil {
		return nil, fmt.Errorf("make the connection pool: %w", err)
	}
	return pool, nil
}

func (s *Store) prepare(ctx context.Context) error {
	if err := s.migrate(ctx); err != nil {
		return refine(ctx, "migrate the database", err)
	}
	queue, err := river.NewClient(riverpgxv5.New(s.pool), &river.Config{Logger: s.log})
	if err != nil {
		return fmt.Errorf("make the queue's client: %w", err)
	}
	s.queue = queue
	s.presence, err = openPresence(ctx, s.pool.Config().ConnConfig, s.clientID, s.log)
	return refine(ctx, "register the server", err)
}

// Close gives up the server's lock and closes every connection.
func (s *Store) Close() {
	s.presence.close()
	s.pool.Close()
}

// Pool is the connection pool, for the queue's working side.
func (s *Store) Pool() *pgxpool.Pool { return s.pool }

// ClientID is the name under which this server works jobs: river's Config.ID must be it, so that the jobs of a server
// that died can be told from those of one that lives.
func (s *Store) ClientID() string { return s.clientID }

// Ping asks the database for an answer; unavailable when there is none.
func (s *Store) Ping(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, acquireTimeout)
	defer cancel()
	return refine(ctx, "ask the database", s.pool.Ping(ctx))
}

// Tx is one transaction. Its events and jobs are collected and written last, just before the commit, so that the lock
// that orders events is held for an instant and always taken after every other lock.
type Tx struct {
	tx     pgx.Tx
	store  *Store
	events []*platform.Event
	jobs   []job
}

// InTx runs fn in a transaction that commits when fn returns nil. fn may run more than once: it is repeated when
// Postgres broke a deadlock, so it must not change anything but its own results.
func (s *Store) InTx(ctx context.Context, fn func(*Tx) error) error {
	const attempts = 4
	for attempt := 1; ; attempt++ {
		err := s.attempt(ctx, pgx.TxOptions{}, fn)
		if attempt == attempts || !repeatable(err) {
			return refine(ctx, "change the database", err)
		}
	}
}

// View runs fn on one consistent snapshot; fn must only read.
func (s *Store) View(ctx context.Context, fn func(*Tx) error) error {
	err := s.attempt(ctx, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}, fn)
	return refine(ctx, "read the database", err)
}

func (s *Store) attempt(ctx context.Context, opts pgx.TxOptions, fn func(*Tx) error) error {
	conn, err := s.acquire(ctx)
	if err != nil {
		return err
	}
	defer conn.Release()
	ctx, cancel := context.WithTimeout(ctx, txTimeout)
	defer cancel()
	return pgx.BeginTxFunc(ctx, conn, opts, func(tx pgx.Tx) error {
		t := &Tx{tx: tx, store: s}
		if err := fn(t); err != nil {
			return err
		}
		return t.flush(ctx)
	})
}

func (s *Store) acquire(ctx context.Context) (*pgxpool.Conn, error) {
	bounded, cancel := context.WithTimeout(ctx, acquireTimeout)
	defer cancel()
	conn, err := s.pool.Acquire(bounded)
	if err != nil && ctx.Err() == nil && errors.Is(err, context.DeadlineExceeded) {
		return nil, unavailable()
	}
	return conn, err
}

func (t *Tx) flush(ctx context.Context) error {
	if len(t.events) == 0 && len(t.jobs) == 0 {
		return nil
	}
	head, err := t.lockHead(ctx)
	if err != nil {
		return err
	}
	if err := t.writeEvents(ctx, head); err != nil {
		return err
	}
	return t.writeJobs(ctx)
}

func newClientID() string {
	host, err := os.Hostname()
	if err != nil {
		host = "server"
	}
	var boot [6]byte
	_, _ = rand.Read(boot[:])
	return platform.Truncate(host, 60) + "-" + hex.EncodeToString(boot[:])
}
