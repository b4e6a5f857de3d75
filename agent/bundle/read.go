package bundle

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"time"

	"github.com/fairlead/fairlead/platform"
)

// maxLine bounds one line of any file; a longer one is counted as unreadable.
const maxLine = 1 << 20

// maxSmall bounds a file that is read in one piece.
const maxSmall = 64 << 20

// Read reads the bundle in the folder. Lines that cannot be read are counted in Gaps. The error is a platform error of code
// not_found when the folder or its incident.json is missing, and of code invalid when incident.json is not an incident.
func Read(dir string) (*Bundle, error) {
	b := &Bundle{}
	r := &reader{dir: dir, b: b}
	if err := r.incident(); err != nil {
		return nil, err
	}
	return b, r.parts()
}

// ReadParts is Read of a bundle that need not be of one incident, such as a list of alerts: a missing incident.json is a
// gap. The error is of code not_found when there is no such folder.
func ReadParts(dir string) (*Bundle, error) {
	if info, err := os.Stat(dir); err != nil || !info.IsDir() {
		return nil, platform.Errorf(platform.CodeNotFound, "There is no folder %s.", dir).
			WithHint("A bundle is a folder of files; agent/eval/README.md describes them.")
	}
	b := &Bundle{}
	r := &reader{dir: dir, b: b}
	switch err := r.incident(); {
	case platform.CodeOf(err) == platform.CodeNotFound, platform.CodeOf(err) == platform.CodeInvalid:
		r.gap("the bundle has no incident.json that can be read")
	case err != nil:
		return nil, err
	}
	return b, r.parts()
}

func (r *reader) parts() error {
	for _, step := range []func() error{
		r.logs, r.metrics, r.spans, r.changes, r.topology, r.patterns, r.alerts, r.open, r.instances, r.probes, r.frozen,
	} {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

// frozen reads evidence.ndjson in one piece. That it is missing is no gap: only an export of Fairlead has one.
func (r *reader) frozen() error {
	f, err := os.Open(filepath.Join(r.dir, "evidence.ndjson"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		r.gap("evidence.ndjson could not be opened")
		return nil
	}
	defer f.Close()
	if r.b.Frozen, err = io.ReadAll(io.LimitReader(f, maxSmall)); err != nil {
		return fmt.Errorf("read evidence.ndjson: %w", err)
	}
	return nil
}

type reader struct {
	dir string
	b   *Bundle
}

func (r *reader) gap(format string, args ...any) {
	r.b.Gaps = append(r.b.Gaps, fmt.Sprintf(format, args...))
}

func (r *reader) incident() error {
	if info, err := os.Stat(r.dir); err == nil && !info.IsDir() {
		return platform.Errorf(platform.CodeNotFound, "%s is a file, not a folder.", r.dir).
			WithHint("A bundle is a folder with at least incident.json in it; agent/eval/README.md describes it.")
	}
	data, err := os.ReadFile(filepath.Join(r.dir, "incident.json"))
	if errors.Is(err, fs.ErrNotExist) {
		return platform.Errorf(platform.CodeNotFound, "There is no incident.json in %s.", r.dir).
			WithHint("A bundle is a folder with at least incident.json in it; agent/eval/README.md describes it.")
	}
	if err != nil {
		return fmt.Errorf("read incident.json: %w", err)
	}
	var rec record
	if !json.Valid(data) || !rec.parse(bytes.TrimSpace(data)) {
		return platform.Errorf(platform.CodeInvalid, "incident.json in %s is not a JSON object.", r.dir).
			WithHint(`It holds {"id", "title", "service", "signal", "summary", "detected_at"}.`)
	}
	r.b.Incident = Incident{
		ID: rec.text("id", "incident_id"), Title: rec.text("title", "name"), Service: rec.text("service", "component"),
		Signal: rec.text("signal", "symptom"), Summary: rec.text("summary", "description"),
		DetectedAt: rec.when("detected_at", "ts", "opened_at", "started_at"),
	}
	if r.b.Incident.DetectedAt.IsZero() {
		r.gap("incident.json does not say when the incident was detected")
	}
	return nil
}

// open returns a file, or false when there is none; a file that cannot be opened is a gap.
func (r *reader) file(name string) (*os.File, bool) {
	f, err := os.Open(filepath.Join(r.dir, name))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		r.gap("the bundle has no %s", name)
		return nil, false
	case err != nil:
		r.gap("%s could not be opened", name)
		return nil, false
	}
	return f, true
}

// each calls take with every record of a file of JSON lines, or of one JSON list, and counts those that it refuses.
func (r *reader) each(name string, take func(*record) bool) error {
	f, ok := r.file(name)
	if !ok {
		return nil
	}
	defer f.Close()
	in := bufio.NewReaderSize(f, maxLine)
	bad := 0
	first, err := firstByte(in)
	if err == nil && first == '[' {
		if bad, err = eachOfList(in, take); err != nil {
			return fmt.Errorf("read %s: %w", name, err)
		}
	} else {
		var rec record
		err := eachLine(in, func(line []byte) {
			if !rec.parse(line) || !take(&rec) {
				bad++
			}
		}, func() { bad++ })
		if err != nil {
			return fmt.Errorf("read %s: %w", name, err)
		}
	}
	r.bad(name, bad)
	return nil
}

func (r *reader) bad(name string, count int) {
	switch {
	case count == 1:
		r.gap("1 record of %s could not be read", name)
	case count > 1:
		r.gap("%d records of %s could not be read", count, name)
	}
}

func firstByte(in *bufio.Reader) (byte, error) {
	for {
		c, err := in.ReadByte()
		if err != nil {
			return 0, err
		}
		if c != ' ' && c != '\n' && c != '\r' && c != '\t' && c != 0xEF && c != 0xBB && c != 0xBF { // a byte order mark
			return c, in.UnreadByte()
		}
	}
}

func eachOfList(in *bufio.Reader, take func(*record) bool) (bad int, err error) {
	data, err := io.ReadAll(io.LimitReader(in, maxSmall))
	if err != nil {
		return 0, err
	}
	if !json.Valid(data) {
		return 1, nil
	}
	var items []json.RawMessage
	if err := json.Unmarshal(data, &items); err != nil {
		return 0, err
	}
	var rec record
	for _, item := range items {
		if !rec.parse(item) || !take(&rec) {
			bad++
		}
	}
	return bad, nil
}

// eachLine calls take with every line that is not empty, and long for each that is over maxLine.
func eachLine(in *bufio.Reader, take func([]byte), long func()) error {
	for {
		line, err := in.ReadSlice('\n')
		if errors.Is(err, bufio.ErrBufferFull) {
			for errors.Is(err, bufio.ErrBufferFull) {
				_, err = in.ReadSlice('\n')
			}
			long()
		} else if line = bytes.TrimSpace(line); len(line) > 0 {
			take(line)
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

func (r *reader) spans() error {
	err := r.each("spans.ndjson", func(rec *record) bool {
		s := Span{
			At: rec.when("ts", "timestamp", "start_time"), TraceID: rec.text("trace_id", "traceId"), SpanID: rec.text("span_id", "spanId"),
			ParentID: rec.text("parent_id", "parent_span_id", "parentSpanId"), Service: rec.text("service"),
			Name: rec.text("name", "operation"), Status: strings.ToLower(rec.text("status", "status_code")), Error: rec.text("error", "error_message"),
			Attributes: rec.pairs("attributes", "tags"),
		}
		ms, _ := rec.number("duration_ms")
		s.Took = time.Duration(ms * float64(time.Millisecond))
		if s.Service == "" || s.At.IsZero() {
			return false
		}
		if s.Error == "true" || s.Error == "false" {
			if s.Error == "true" && s.Status == "" {
				s.Status = "error"
			}
			s.Error = ""
		}
		r.b.Spans = append(r.b.Spans, s)
		return true
	})
	sort.SliceStable(r.b.Spans, func(i, j int) bool { return r.b.Spans[i].At.Before(r.b.Spans[j].At) })
	return err
}

func (r *reader) changes() error {
	err := r.each("changes.ndjson", func(rec *record) bool {
		c := Change{
			At: rec.when("ts", "timestamp", "at"), Kind: strings.ToLower(rec.text("kind", "type")), ID: rec.text("id", "sha"),
			Service: rec.text("service"), Author: rec.text("author"), Message: rec.text("message", "summary", "description", "title"),
			Files: rec.list("files"), Diff: rec.text("diff", "patch"), Release: rec.text("release", "version"), Commit: rec.text("commit", "commit_id", "sha"),
		}
		if c.ID == "" || c.At.IsZero() {
			return false
		}
		if c.Kind == "commit" {
			c.Commit = ""
		}
		r.b.Changes = append(r.b.Changes, c)
		return true
	})
	sort.SliceStable(r.b.Changes, func(i, j int) bool { return r.b.Changes[i].At.Before(r.b.Changes[j].At) })
	return err
}

func (r *reader) topology() error {
	return r.each("topology.json", func(rec *record) bool {
		e := Edge{From: rec.text("from", "source"), To: rec.text("to", "target"), Kind: strings.ToLower(rec.text("kind", "type"))}
		if e.From == "" || e.To == "" {
			return false
		}
		if e.Kind == "" {
			e.Kind = "calls"
		}
		r.b.Topology = append(r.b.Topology, e)
		return true
	})
}

func (r *reader) patterns() error {
	return r.each("patterns.ndjson", func(rec *record) bool {
		p := Pattern{
			ID: rec.text("id"), Signature: rec.text("signature", "pattern", "template"), Service: rec.text("service"), Count: rec.whole("count"),
			Delta: rec.optional("delta_vs_baseline", "delta"), FirstSeen: rec.when("first_seen"), Sentiment: strings.ToLower(rec.text("sentiment")),
		}
		if p.Signature == "" {
			return false
		}
		r.b.Patterns = append(r.b.Patterns, p)
		return true
	})
}

func (r *reader) alerts() error {
	err := r.each("alerts.ndjson", func(rec *record) bool {
		a := Alert{
			ID: rec.text("id"), At: rec.when("ts", "timestamp", "starts_at"), Service: rec.text("service"), Name: rec.text("name", "title", "alertname"),
			Metric: rec.text("metric"), Severity: strings.ToLower(rec.text("severity")), Value: rec.optional("value"), Threshold: rec.optional("threshold"),
			FiredLastHour: rec.whole("fired_count_1h"), Pattern: rec.text("pattern"), Release: rec.text("release"),
		}
		if s, ok := rec.number("resolved_after_s"); ok {
			a.ResolvedAfter = time.Duration(s * float64(time.Second))
		}
		if a.ID == "" {
			return false
		}
		r.b.Alerts = append(r.b.Alerts, a)
		return true
	})
	sort.SliceStable(r.b.Alerts, func(i, j int) bool { return r.b.Alerts[i].At.Before(r.b.Alerts[j].At) })
	return err
}

func (r *reader) open() error {
	return r.each("open_incidents.json", func(rec *record) bool {
		o := OpenIncident{ID: rec.text("id"), Service: rec.text("service"), Title: rec.text("title"), Pattern: rec.text("pattern"), OpenedAt: rec.when("opened_at", "ts")}
		if o.ID == "" {
			return false
		}
		r.b.Open = append(r.b.Open, o)
		return true
	})
}

func (r *reader) instances() error {
	return r.each("instances.json", func(rec *record) bool {
		in := Instance{
			Service: rec.text("service"), Instance: rec.text("instance", "id"), Release: rec.text("release"), State: strings.ToLower(rec.text("state", "status")),
			OOMKilled: rec.yes("oom_killed"), Restarts: rec.whole("restarts", "restart_count"), StartedAt: rec.when("started_at"),
			FinishedAt: rec.when("finished_at", "ended_at"), StoppedBy: rec.text("stopped_by"), Reason: rec.text("reason", "message", "error"),
		}
		if code, ok := rec.number("exit_code"); ok {
			n := int(code)
			in.ExitCode = &n
		}
		if in.Service == "" {
			return false
		}
		r.b.Instances = append(r.b.Instances, in)
		return true
	})
}

func (r *reader) probes() error {
	err := r.each("probes.ndjson", func(rec *record) bool {
		p := Probe{
			At: rec.when("ts", "timestamp", "at"), Service: rec.text("service"), Instance: rec.text("instance"), Status: rec.whole("status", "status_code", "code"),
			Path: rec.text("path", "url", "target"), Error: rec.text("error", "message", "output"),
		}
		ms, _ := rec.number("duration_ms", "latency_ms", "took_ms")
		p.Took = time.Duration(ms * float64(time.Millisecond))
		switch rec.raw("ok", "success", "result", "healthy") {
		case nil:
			p.OK = p.Error == "" && p.Status < 400
		default:
			p.OK = rec.yes("ok", "success", "result", "healthy")
		}
		if p.At.IsZero() {
			return false
		}
		r.b.Probes = append(r.b.Probes, p)
		return true
	})
	sort.SliceStable(r.b.Probes, func(i, j int) bool { return r.b.Probes[i].At.Before(r.b.Probes[j].At) })
	return err
}
