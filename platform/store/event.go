package store

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/fairlead/fairlead/platform"
)

// AppendEvent records a fact when the transaction commits and returns its id. Its place in the chain is given then;
// until then e.Seq and the hashes are empty. A zero At becomes the present time.
func (t *Tx) AppendEvent(e platform.Event) platform.EventID {
	e.ID = platform.NewID[platform.EventID](platform.PrefixEvent)
	if e.At.IsZero() {
		e.At = time.Now()
	}
	e.At = e.At.UTC().Truncate(time.Microsecond)
	e.Actor = cleanActor(e.Actor)
	e.Summary, e.Cause, e.Subject = Clean(e.Summary), Clean(e.Cause), Clean(e.Subject)
	e.Project, e.Environment, e.Service = Clean(e.Project), Clean(e.Environment), Clean(e.Service)
	e.Payload = json.RawMessage(replaceNUL(e.Payload))
	t.events = append(t.events, &e)
	return e.ID
}

func cleanActor(a platform.Actor) platform.Actor {
	a.Name, a.Owner, a.Channel = Clean(a.Name), Clean(a.Owner), Clean(a.Channel)
	return a
}

type chainHead struct {
	seq  int64
	hash string
}

func (t *Tx) lockHead(ctx context.Context) (chainHead, error) {
	var h chainHead
	err := t.tx.QueryRow(ctx, "SELECT seq, hash FROM chain_head FOR UPDATE").Scan(&h.seq, &h.hash)
	return h, err
}

const insertEvent = `INSERT INTO events
	(seq, id, at, kind, actor, project, environment, service, subject, summary, payload, cause, prev_hash, hash)
	VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)`

func (t *Tx) writeEvents(ctx context.Context, head chainHead) error {
	if len(t.events) == 0 {
		return nil
	}
	batch := &pgx.Batch{}
	for _, e := range t.events {
		head.seq++
		e.Seq, e.PrevHash = head.seq, head.hash
		e.Hash = e.ComputeHash()
		head.hash = e.Hash
		actor, err := encode(e.Actor)
		if err != nil {
			return err
		}
		batch.Queue(insertEvent, e.Seq, string(e.ID), e.At, string(e.Kind), actor, e.Project, e.Environment, e.Service,
			e.Subject, e.Summary, string(e.Payload), e.Cause, e.PrevHash, e.Hash)
	}
	batch.Queue("UPDATE chain_head SET seq = $1, hash = $2", head.seq, head.hash)
	batch.Queue("SELECT pg_notify($1, $2)", eventChannel, fmt.Sprint(head.seq))
	return t.tx.SendBatch(ctx, batch).Close()
}

const eventColumns = `seq, id, at, kind, actor, project, environment, service, subject, summary, payload, cause, prev_hash, hash`

func (t *Tx) readEvents(ctx context.Context, sql string, args ...any) ([]platform.Event, error) {
	rows, err := t.tx.Query(ctx, "SELECT "+eventColumns+" FROM events"+sql, args...)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (platform.Event, error) {
		var e platform.Event
		var actor []byte
		var payload string
		err := row.Scan(&e.Seq, &e.ID, &e.At, &e.Kind, &actor, &e.Project, &e.Environment, &e.Service, &e.Subject,
			&e.Summary, &payload, &e.Cause, &e.PrevHash, &e.Hash)
		if err != nil {
			return e, err
		}
		e.At = e.At.UTC()
		if payload != "" {
			e.Payload = json.RawMessage(payload)
		}
		return e, json.Unmarshal(actor, &e.Actor)
	})
}

// EventQuery chooses events. Projects nil means all; Project "" in it stands for events of no project.
type EventQuery struct {
	platform.EventFilter
	Projects []string
}

func (q EventQuery) where() where {
	var w where
	if q.Projects != nil {
		w.and("project = ANY(?)", q.Projects)
	}
	for _, f := range []struct{ column, value string }{
		{"environment", q.Environment}, {"service", q.Service}, {"subject", q.Subject},
	} {
		if f.value != "" {
			w.and(f.column+" = ?", f.value)
		}
	}
	if len(q.Kinds) > 0 {
		w.and("kind = ANY(?)", q.Kinds)
	}
	if !q.Since.IsZero() {
		w.and("at >= ?", q.Since)
	}
	if !q.Until.IsZero() {
		w.and("at < ?", q.Until)
	}
	if q.AfterSeq > 0 {
		w.and("seq > ?", q.AfterSeq)
	}
	return w
}

// ListEvents returns one page in the order of the chain, or newest first when the filter says so.
func (t *Tx) ListEvents(ctx context.Context, q EventQuery) (platform.List[platform.Event], error) {
	limit, err := pageLimit(q.Page)
	if err != nil {
		return platform.List[platform.Event]{}, err
	}
	w := q.where()
	name, order, past := "events", " ORDER BY seq", "seq > ?"
	if q.Backward {
		name, order, past = "events-backward", " ORDER BY seq DESC", "seq < ?"
	}
	if q.Cursor != "" {
		after, err := readCursor(q.Cursor, name, scopeName(q.Projects))
		if err != nil {
			return platform.List[platform.Event]{}, err
		}
		w.and(past, after)
	}
	events, err := t.readEvents(ctx, w.sql()+order+fmt.Sprintf(" LIMIT %d", limit+1), w.args...)
	if err != nil {
		return platform.List[platform.Event]{}, err
	}
	out := platform.List[platform.Event]{Items: append([]platform.Event{}, events[:min(limit, len(events))]...)}
	if len(events) > limit {
		out.Next = cursor{List: name, Scope: scopeName(q.Projects), After: events[limit-1].Seq}.String()
	}
	return out, nil
}

// LastSeq is the number of the newest event.
func (t *Tx) LastSeq(ctx context.Context) (int64, error) {
	var seq int64
	err := t.tx.QueryRow(ctx, "SELECT seq FROM chain_head").Scan(&seq)
	return seq, err
}

// EventsAbout returns the events whose subject or cause is one of the ids, oldest first.
func (t *Tx) EventsAbout(ctx context.Context, ids ...string) ([]platform.Event, error) {
	events, err := t.readEvents(ctx, " WHERE subject = ANY($1) OR (cause <> '' AND cause = ANY($1)) ORDER BY seq LIMIT 1000", ids)
	return append([]platform.Event{}, events...), err
}

// VerifyEvents reads the whole chain on one snapshot and reports the first event that does not fit.
func (s *Store) VerifyEvents(ctx context.Context) (platform.ChainReport, error) {
	var report platform.ChainReport
	err := s.View(ctx, func(t *Tx) error {
		report = platform.ChainReport{OK: true}
		return t.verify(ctx, &report)
	})
	return report, err
}

func (t *Tx) verify(ctx context.Context, report *platform.ChainReport) error {
	const batch = 2000
	var head chainHead
	if err := t.tx.QueryRow(ctx, "SELECT seq, hash FROM chain_head").Scan(&head.seq, &head.hash); err != nil {
		return err
	}
	broken := func(seq int64) { report.OK, report.BrokenAt = false, seq }
	for {
		events, err := t.readEvents(ctx, fmt.Sprintf(" WHERE seq > $1 ORDER BY seq LIMIT %d", batch), report.Events)
		if err != nil {
			return err
		}
		for i, e := range events {
			if e.Seq != report.Events+1 {
				broken(report.Events + 1) // a row is gone
				return nil
			}
			if platform.VerifyChain(report.Head, events[i:i+1]) != 0 {
				broken(e.Seq)
				return nil
			}
			report.Events, report.Head = e.Seq, e.Hash
		}
		if len(events) < batch {
			break
		}
	}
	if report.Events != head.seq || report.Head != head.hash {
		broken(report.Events + 1)
	}
	return nil
}

// scopeName is how cursors name the projects that bound a list.
func scopeName(projects []string) string {
	if projects == nil {
		return "*"
	}
	return strings.Join(projects, ",")
}

// HasEvents reports whether anything ever happened in a project of that name, deleted ones included.
func (t *Tx) HasEvents(ctx context.Context, project string) (bool, error) {
	var yes bool
	err := t.tx.QueryRow(ctx, "SELECT EXISTS (SELECT FROM events WHERE project = $1)", project).Scan(&yes)
	return yes, err
}
