package router

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/fairlead/fairlead/platform/routing"
)

// controlHandler serves the unix socket: PUT /table, GET /snapshot, GET /healthz.
func (r *Router) controlHandler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("PUT /table", func(w http.ResponseWriter, req *http.Request) {
		t, err := routing.Decode(req.Body)
		if err != nil {
			r.log.Warn("route table refused", "error", err.Error(), "served", r.table.Load().version)
			routing.WriteError(w, err)
			return
		}
		ack, err := r.Install(t)
		if err != nil {
			r.log.Error("route table not installed", "version", t.Version, "error", err.Error())
			routing.WriteError(w, err)
			return
		}
		writeJSON(w, ack)
	})
	mux.HandleFunc("GET /snapshot", func(w http.ResponseWriter, _ *http.Request) { writeJSON(w, r.snapshot()) })
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		writeJSON(w, routing.Ack{Version: r.table.Load().version})
	})
	return mux
}

func writeJSON(w http.ResponseWriter, value any) {
	w.Header().Set("Content-Type", "application/json")
	// A caller that went away asks again.
	_ = json.NewEncoder(w).Encode(value)
}

// socketListener is a unix listener whose path was moved into place, and which takes the path away again at the end
// unless another router has put its own there.
type socketListener struct {
	net.Listener
	path string
	made os.FileInfo
	once sync.Once
}

// openSocket listens at path with mode 0600. The socket is made in a folder that only this user can enter and moved
// into place, so that at no moment can others connect, and a stale one is replaced in one step.
func openSocket(ctx context.Context, path string) (net.Listener, error) {
	dialer := net.Dialer{Timeout: time.Second}
	if conn, err := dialer.DialContext(ctx, "unix", path); err == nil {
		conn.Close()
		return nil, fmt.Errorf("open control socket: another router answers on %s", path)
	}
	nest, err := os.MkdirTemp(filepath.Dir(path), ".r")
	if err != nil {
		return nil, fmt.Errorf("open control socket: %w", err)
	}
	defer os.RemoveAll(nest)
	var config net.ListenConfig
	temp := filepath.Join(nest, "s")
	inner, err := config.Listen(ctx, "unix", temp)
	if err != nil {
		return nil, fmt.Errorf("open control socket: %w", err)
	}
	if unix, ok := inner.(*net.UnixListener); ok {
		unix.SetUnlinkOnClose(false)
	}
	err = errors.Join(os.Chmod(temp, 0o600), os.Rename(temp, path))
	if err != nil {
		inner.Close()
		return nil, fmt.Errorf("open control socket: %w", err)
	}
	made, err := os.Lstat(path)
	if err != nil {
		inner.Close()
		return nil, fmt.Errorf("open control socket: %w", err)
	}
	return &socketListener{Listener: inner, path: path, made: made}, nil
}

func (s *socketListener) Close() error {
	s.once.Do(func() {
		if now, err := os.Lstat(s.path); err == nil && os.SameFile(now, s.made) {
			os.Remove(s.path)
		}
	})
	return s.Listener.Close()
}
