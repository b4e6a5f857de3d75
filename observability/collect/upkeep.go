package collect

import (
	"context"
	"log/slog"
	"time"
)

// Upkeep does something again and again, beginning at once.
type Upkeep struct {
	Name  string // of what it does, for the log
	Every time.Duration
	Do    func(context.Context) error
	Log   *slog.Logger
}

// Run works until ctx ends and returns nil. An error is logged when it is the first after a success, and tried again.
func (u *Upkeep) Run(ctx context.Context) error {
	if u.Log == nil {
		u.Log = slog.New(slog.DiscardHandler)
	}
	ticker := time.NewTicker(u.Every)
	defer ticker.Stop()
	failed := false
	for {
		err := u.Do(ctx)
		if err != nil && !failed && ctx.Err() == nil {
			u.Log.WarnContext(ctx, "upkeep did not work; it is tried again", "what", u.Name, "error", err)
		}
		failed = err != nil
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
	}
}
