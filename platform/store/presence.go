package store

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
)

// eventChannel is the NOTIFY channel on which every commit with events sends the newest sequence number.
const eventChannel = "fairlead_events"

// reconnectDelay is how long the presence waits before it tries a database that did not answer again.
const reconnectDelay = 500 * time.Millisecond

// presence is one connection apart from the pool. It holds the advisory lock that proves that this server lives, and
// it hears of new events. One goroutine owns it; when the connection breaks, it is made anew.
type presence struct {
	cfg    *pgx.ConnConfig
	id     string
	log    *slog.Logger
	cancel context.CancelFunc
	done   chan struct{}

	mu        sync.Mutex // guards listeners
	listeners map[chan struct{}]struct{}
}

func openPresence(ctx context.Context, cfg *pgx.ConnConfig, id string, log *slog.Logger) (*presence, error) {
	p := &presence{cfg: cfg, id: id, log: log, done: make(chan struct{}), listeners: map[chan struct{}]struct{}{}}
	conn, err := p.connect(ctx)
	if err != nil {
		return nil, err
	}
	own, cancel := context.WithCancel(context.WithoutCancel(ctx))
	p.cancel = cancel
	go p.run(own, conn)
	return p, nil
}

func (p *presence) connect(ctx context.Context) (*pgx.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, 2*connectTimeout)
	defer cancel()
	conn, err := pgx.ConnectConfig(ctx, p.cfg.Copy())
	if err != nil {
		return nil, err
	}
	for _, step := range []struct {
		sql  string
		args []any
	}{
		{"SELECT pg_advisory_lock(hashtextextended($1, 0))", []any{p.id}},
		{"INSERT INTO clients (id) VALUES ($1) ON CONFLICT DO NOTHING", []any{p.id}},
		{"LISTEN " + eventChannel, nil},
	} {
		if _, err := conn.Exec(ctx, step.sql, step.args...); err != nil {
			return nil, errors.Join(err, conn.Close(ctx))
		}
	}
	return conn, nil
}

func (p *presence) run(ctx context.Context, conn *pgx.Conn) {
	defer close(p.done)
	for ctx.Err() == nil {
		if _, err := conn.WaitForNotification(ctx); err == nil {
			p.wake()
			continue
		}
		p.closeConn(conn)
		if conn = p.reconnect(ctx); conn == nil {
			return
		}
		p.wake() // events may have been committed while nobody listened
	}
	p.closeConn(conn)
}

// reconnect tries until it has a connection or ctx ends.
func (p *presence) reconnect(ctx context.Context) *pgx.Conn {
	timer := time.NewTicker(reconnectDelay)
	defer timer.Stop()
	for ctx.Err() == nil {
		conn, err := p.connect(ctx)
		if err == nil {
			return conn
		}
		if ctx.Err() == nil {
			p.log.Debug("database does not answer", "error", err)
		}
		select {
		case <-ctx.Done():
		case <-timer.C:
		}
	}
	return nil
}

func (p *presence) closeConn(conn *pgx.Conn) {
	ctx, cancel := context.WithTimeout(context.Background(), connectTimeout)
	defer cancel()
	if err := conn.Close(ctx); err != nil {
		p.log.Debug("close the listening connection", "error", err)
	}
}

func (p *presence) close() {
	p.cancel()
	<-p.done
}

func (p *presence) wake() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.listeners {
		select {
		case c <- struct{}{}:
		default: // it has a signal that it has not taken yet
		}
	}
}

// Subscribe returns a channel that gets a signal after events were committed, by whichever server; signals that are
// not taken are merged into one. Signals may be lost while the database is away, so readers also look now and then.
// The function ends the subscription.
func (s *Store) Subscribe() (<-chan struct{}, func()) {
	c := make(chan struct{}, 1)
	s.presence.mu.Lock()
	s.presence.listeners[c] = struct{}{}
	s.presence.mu.Unlock()
	return c, func() {
		s.presence.mu.Lock()
		delete(s.presence.listeners, c)
		s.presence.mu.Unlock()
	}
}
