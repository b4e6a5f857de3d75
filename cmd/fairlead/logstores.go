package main

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/fairlead/fairlead/observability"
	"github.com/fairlead/fairlead/observability/embedded"
	"github.com/fairlead/fairlead/observability/forward"
	"github.com/fairlead/fairlead/observability/loki"
	"github.com/fairlead/fairlead/observability/spool"
	"github.com/fairlead/fairlead/platform"
)

// behindSpool is how long a push to Loki is tried at once: behind a spool lines wait on disk, not in a push.
const behindSpool = 2 * time.Second

// openLogs opens where lines go: the receivers that forward.yaml names, and the spool in front of the Loki that the
// settings name, else of the store in the state folder.
func (s *installation) openLogs() error {
	if err := s.openStored(); err != nil {
		return err
	}
	var err error
	if s.spool, err = spool.Open(spool.Options{Dir: s.config.state.path("spool"), Target: s.stored, Log: s.log}); err != nil {
		return err
	}
	receivers, err := forward.Load(s.config.forwardFile())
	if err != nil {
		return err
	}
	s.logs, err = forward.Open(forward.Options{
		Store: s.spool, Receivers: receivers, Dir: s.config.state.path("forward"), Log: s.log,
		Senders: map[forward.Kind]func(forward.Receiver) (spool.Sender, error){forward.KindLoki: s.lokiReceiver},
	})
	return err
}

func (s *installation) openStored() error {
	if options := s.config.loki; options.URL != "" {
		options.Log, options.RetryFor = s.log, behindSpool
		logs, err := loki.Open(options)
		if err != nil {
			return err
		}
		s.stored = logs
		return nil
	}
	logs, err := embedded.OpenProjectLogs(s.config.state.path("logs"), s.config.logOptions())
	if err != nil {
		return err
	}
	s.stored = logs
	return nil
}

// lokiReceiver sends to another Loki than the one that keeps the logs.
func (s *installation) lokiReceiver(r forward.Receiver) (spool.Sender, error) {
	logs, err := loki.Open(loki.Options{
		URL: r.URL.String(), Tenant: r.Tenant, TokenFile: r.TokenFile, CAFile: r.TLS.CA, CertFile: r.TLS.Certificate, KeyFile: r.TLS.Key,
		RetryFor: behindSpool, Log: s.log,
	})
	return pushed{logs}, err
}

// pushed is a Loki that is only pushed to: its credentials need not read, and what is pushed again it knows by itself.
type pushed struct{ logs *loki.Logs }

// Append pushes lines.
func (p pushed) Append(ctx context.Context, lines []observability.Line) error {
	return p.logs.Append(ctx, lines)
}

// Close ends what is on its way.
func (p pushed) Close() error { return p.logs.Close() }

// logStatus says how lines are kept. A store that is away is no fault: lines wait on disk, and are counted here.
func (s *installation) logStatus(ctx context.Context) (string, error) {
	text := "in the state folder"
	if logs, ok := s.stored.(*loki.Logs); ok {
		text = "Loki " + lokiStatus(ctx, logs)
	}
	stats := s.spool.Stats()
	if stats.State == spool.StateBlocked {
		text += fmt.Sprintf("; %d lines wait on disk: %s", stats.Lines, stats.Why)
	}
	var dropped uint64
	for _, n := range stats.Dropped {
		dropped += n
	}
	if lost := dropped + stats.Rejected + stats.Unreadable; lost > 0 {
		text += fmt.Sprintf("; %d lines dropped for want of room, %d refused by the store, %d unreadable", dropped, stats.Rejected, stats.Unreadable)
	}
	return text, nil
}

// forwardStatus is one part for each receiver of forward.yaml.
func (s *installation) forwardStatus() []platform.PartStatus {
	var out []platform.PartStatus
	for name, stats := range s.logs.Stats() {
		detail := "up to date"
		if stats.Lines > 0 {
			detail = fmt.Sprintf("%d lines wait, the oldest for %s", stats.Lines, stats.Oldest.Round(time.Second))
		}
		if stats.Why != "" {
			detail += ": " + stats.Why
		}
		out = append(out, platform.PartStatus{Name: "forward " + name, OK: true, Detail: detail})
	}
	return out
}

// closeLogs closes the log store before its spool, which then knows that the store lost nothing.
func (s *installation) closeLogs() {
	if s.logs != nil {
		if err := s.logs.Close(); err != nil {
			s.log.Error("close the receivers of logs", "error", err)
		}
	}
	settled := false
	if s.stored != nil {
		if store, ok := s.stored.(io.Closer); ok {
			err := store.Close()
			if settled = err == nil; err != nil {
				s.log.Error("close the log store", "error", err)
			}
		}
	}
	if s.spool == nil {
		return
	}
	if settled {
		if err := s.spool.Settle(); err != nil {
			s.log.Error("save how far the log spool is drained", "error", err)
		}
	}
	if err := s.spool.Close(); err != nil {
		s.log.Error("close the log spool", "error", err)
	}
}
