package router

import (
	"errors"
	"io"
	"sync"
	"sync/atomic"
)

// replayLimit is how much of a request body is kept so that it can be sent again. Longer ones stream through.
const replayLimit = 64 << 10

var (
	errBodyTooLarge = errors.New("request body is larger than the route allows")
	errBodySpent    = errors.New("request body cannot be read again")
	errBodyDone     = errors.New("request body read after the request ended")
)

// body reads a client's request body once and hands it to one attempt after the other. It keeps the beginning until
// either the answer has come or more than replayLimit was read.
type body struct {
	src   io.Reader
	limit int64 // 0 for none
	done  atomic.Bool

	mu     sync.Mutex // guards the fields below; held while reading from src
	kept   []byte
	read   int64 // from src
	fault  error // what the client did wrong, or how its connection failed; not io.EOF
	end    bool  // io.EOF was read
	latest *bodyReader
}

// open returns a reader from the first byte on, or errBodySpent.
func (b *body) open() (io.ReadCloser, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if int64(len(b.kept)) != b.read {
		return nil, errBodySpent
	}
	b.latest = &bodyReader{body: b}
	return b.latest, nil
}

// replayable reports whether open would work.
func (b *body) replayable() bool {
	if b == nil {
		return true
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	return int64(len(b.kept)) == b.read && b.fault == nil
}

// clientFault is the error that reading from the client gave, if it did.
func (b *body) clientFault() error {
	if b == nil {
		return nil
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.fault
}

// forget drops what was kept: the answer has come, and the body will not be sent again.
func (b *body) forget() {
	if !b.mu.TryLock() {
		return // the client is still sending; what is kept goes with the exchange
	}
	defer b.mu.Unlock()
	if b.latest == nil || b.latest.at == b.read { // else the kept part is still being sent
		b.kept = nil
	}
}

// finish makes every later read fail without touching src, which belongs to the server once the handler has returned.
func (b *body) finish() {
	if b != nil {
		b.done.Store(true)
	}
}

// bodyReader is the body as one attempt sees it. Close does nothing: the client's connection outlives the attempt.
type bodyReader struct {
	body *body
	at   int64
}

func (r *bodyReader) Close() error { return nil }

func (r *bodyReader) Read(p []byte) (int, error) {
	b := r.body
	if b.done.Load() {
		return 0, errBodyDone
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case r.at < int64(len(b.kept)):
		n := copy(p, b.kept[r.at:])
		r.at += int64(n)
		return n, nil
	case r.at != b.read:
		return 0, errBodySpent
	case b.fault != nil:
		return 0, b.fault
	case b.end:
		return 0, io.EOF
	}
	n, err := b.fillLocked(p)
	r.at += int64(n)
	return n, err
}

// fillLocked reads from the client, keeps what fits, and enforces the limit.
func (b *body) fillLocked(p []byte) (int, error) {
	n, err := b.src.Read(p)
	if int64(len(b.kept)) == b.read && b.read+int64(n) <= replayLimit {
		b.kept = append(b.kept, p[:n]...)
	} else if n > 0 {
		b.kept = nil
	}
	b.read += int64(n)
	switch {
	case b.limit > 0 && b.read > b.limit:
		b.fault = errBodyTooLarge
		return 0, b.fault
	case errors.Is(err, io.EOF):
		b.end = true
	case err != nil:
		b.fault = err
	}
	return n, err
}
