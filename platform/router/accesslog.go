package router

import (
	"context"
	"log"
	"log/slog"
	"net/http"
	"strings"
	"time"
)

// logAccess writes one line about a finished request: always when it got a 5xx or broke off, else sampled.
func (r *Router) logAccess(x *exchange) {
	bad := x.status >= http.StatusInternalServerError || x.fault != nil && !x.left
	if !bad && (r.config.AccessSample <= 0 || r.sampled.Add(1)%uint64(r.config.AccessSample) != 0) {
		return
	}
	level := slog.LevelInfo
	if bad {
		level = slog.LevelWarn
	}
	attrs := []slog.Attr{
		slog.Int("status", x.status),
		slog.String("method", x.req.Method),
		slog.String("host", x.host),
		slog.String("path", urlPath(x.req.URL)),
		slog.Duration("took", time.Since(x.began)),
		slog.String("client", clientIP(x.req.RemoteAddr)),
	}
	if x.id != "" {
		attrs = append(attrs, slog.String("request_id", x.id))
	}
	if x.route != nil {
		attrs = append(attrs, slog.String("slot", x.route.slot), slog.String("service", x.route.name))
	}
	if x.instance != "" {
		attrs = append(attrs, slog.String("instance", x.instance), slog.Int("release", x.version))
	}
	if x.retry.moves > 0 {
		attrs = append(attrs, slog.Int("retries", x.retry.moves))
	}
	if x.fault != nil {
		attrs = append(attrs, slog.String("error", x.fault.Error()))
	}
	r.log.LogAttrs(context.Background(), level, "request", attrs...)
}

// errorLog takes what net/http has to say. Clients that speak nonsense are not worth more than a debug line.
func (r *Router) errorLog() *log.Logger {
	return log.New(logWriter{r.log}, "", 0)
}

type logWriter struct{ log *slog.Logger }

func (w logWriter) Write(p []byte) (int, error) {
	text := strings.TrimSpace(string(p))
	if strings.Contains(text, "panic") {
		w.log.Error("server fault", "error", text)
	} else {
		w.log.Debug("server", "error", text)
	}
	return len(p), nil
}
