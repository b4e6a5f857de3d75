package collect

import (
	"context"
	"fmt"
	"maps"
	"sync/atomic"
	"time"

	"github.com/fairlead/fairlead/observability"
	"github.com/fairlead/fairlead/observability/parse"
	"github.com/fairlead/fairlead/platform"
	"github.com/fairlead/fairlead/platform/secret"
)

// Inbound takes lines that somebody else collected and sent: it removes secrets and reads each text as a container's, and
// then shows and stores it. What a label said of a line stays beside what the text says.
type Inbound struct {
	logs      observability.Logs
	hub       *observability.Hub
	redactors redactors

	seq atomic.Uint64 // tells lines of one time apart: senders know milliseconds, some only seconds
}

// inboundRedactors is how long the secrets of a project serve: a program is started with a new one later than that.
const inboundRedactors = 2 * time.Second

// NewInbound returns an Inbound before a store. hub may be nil; redactor is as Options.Redactor.
func NewInbound(logs observability.Logs, hub *observability.Hub, redactor func(project string) func(string) string) *Inbound {
	return &Inbound{logs: logs, hub: hub, redactors: redactors{from: redactor, keep: inboundRedactors}}
}

// Append stores lines of one sender as they came: not redacted, not parsed. When it returns nil all of them are where a kill
// of the process cannot lose them. It is unavailable while the secrets of a project cannot be read or the disk is full, and
// then takes none; the sender sends them again.
func (i *Inbound) Append(ctx context.Context, lines []observability.Line) error {
	taken := make([]observability.Line, len(lines))
	keys := map[inboundStream]*secret.KeyBlock{}
	now := time.Now()
	for n := range lines {
		l := &lines[n]
		redact := i.redactors.of(l.Project, now)
		if redact == nil {
			return platform.Errorf(platform.CodeUnavailable, "The secrets of %s cannot be read, so nothing is taken that may hold them.", l.Project).
				WithHint("Send the lines again later; the server's status says what is away.")
		}
		of := inboundStream{l.Project, l.Environment, l.Service, l.Stream}
		if keys[of] == nil {
			keys[of] = new(secret.KeyBlock)
		}
		taken[n] = i.read(*l, keys[of], redact)
	}
	if err := i.logs.Append(ctx, taken); err != nil {
		return fmt.Errorf("store lines that were sent: %w", err)
	}
	i.hub.Publish(taken) // after it: a sender that is refused sends them again
	return nil
}

// inboundStream is what private keys over several lines stay within.
type inboundStream struct{ project, environment, service, stream string }

// read makes a line of ours of one that was sent.
func (i *Inbound) read(sent observability.Line, key *secret.KeyBlock, redact parse.Redact) observability.Line {
	base := sent
	base.Seq, base.Fields = i.seq.Add(1), nil
	text, cut := observability.Cut(sent.Message, 2*observability.MaxLineBytes)
	l := parse.Text(base, key.Redact(text), redact)
	l.Truncated = l.Truncated || cut
	if sent.Level != observability.LevelUnknown {
		l.Level = sent.Level
	}
	if len(sent.Fields) > 0 {
		fields := maps.Clone(sent.Fields)
		parse.Fields(fields, redact)
		maps.Copy(fields, l.Fields)
		l.Fields = fields
	}
	return l.Normal()
}
