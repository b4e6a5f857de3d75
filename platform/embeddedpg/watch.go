package embeddedpg

import (
	"context"
	"time"
)

const (
	watchEvery   = 500 * time.Millisecond
	firstBackoff = 100 * time.Millisecond
	maxBackoff   = 10 * time.Second
	// calmAfter is how long a server must live before its next death counts as the first.
	calmAfter = time.Minute
)

// Watch starts the server again when it dies, with backoff, until ctx ends or Stop is called. It returns nil then.
// A server of Options.Fallback is not watched.
func (s *Server) Watch(ctx context.Context) error {
	if s.place == nil {
		<-ctx.Done()
		return nil
	}
	backoff, since := firstBackoff, time.Now()
	for {
		if err := pause(ctx, watchEvery); err != nil || s.isStopped() {
			return nil //nolint:nilerr // the end of ctx is the normal end
		}
		if s.running() {
			continue
		}
		if time.Since(since) > calmAfter {
			backoff = firstBackoff
		}
		s.log.Warn("private postgres died, starting it again", "log", s.place.logFile(), "backoff", backoff)
		if err := pause(ctx, backoff); err != nil || s.isStopped() {
			return nil //nolint:nilerr // the end of ctx is the normal end
		}
		backoff, since = min(backoff*2, maxBackoff), time.Now()
		if err := s.ensure(ctx); err != nil && ctx.Err() == nil {
			s.log.Error("private postgres does not start", "error", err)
		}
	}
}

// running reports whether the server's process lives. One that lives and does not answer is recovering, and a second one
// beside it would be refused.
func (s *Server) running() bool {
	file, err := s.place.readPidFile()
	return err == nil && s.place.alive(file.pid)
}

func (s *Server) isStopped() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.stopped
}
