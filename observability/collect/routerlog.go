package collect

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/fairlead/fairlead/observability"
	"github.com/fairlead/fairlead/platform/durable"
	"github.com/fairlead/fairlead/platform/routing"
)

// RouterLog follows the log that the router leaves in files, into the store: access lines as lines of the service they
// belong to, the rest as Fairlead's own. Each line is stored once, whatever of the two processes is started anew and
// however often the files are rotated meanwhile: a cursor on disk lags behind what is surely stored, and what is read
// again is compared with what is stored by Seq, which is the place of a line in the files.
type RouterLog struct {
	Dir      string // of routing.OpenLog
	StateDir string // where the cursor is kept
	Logs     observability.Logs
	Hub      *observability.Hub // nil: no live lines
	Slots    slots
	Redactor func(project string) func(string) string // as Options.Redactor
	Log      *slog.Logger
	Every    time.Duration // between looks at the files; default 100 ms
	// DurableAfter is as in Options.
	DurableAfter time.Duration

	reader      lineReader
	known       slotBook
	at          logPlace // everything before it is stored
	last        time.Time
	redactors   redactors
	stored      map[uint64]uint64 // by the Seq of lines that were stored before this run and may be read again: their EndSeq
	passed      uint64            // lines up to this Seq are parts of a stored one
	checkpoints []logCheckpoint
	saved       logPlace
}

// logPlace is a place in the router's log. Last is the time of the line before it.
type logPlace struct {
	File   uint64    `json:"file"`
	Offset int64     `json:"offset"`
	Last   time.Time `json:"last"`
}

type logCheckpoint struct {
	when time.Time
	to   logPlace
}

const (
	routerCursor    = "router-log.json"
	routerLogEvery  = 100 * time.Millisecond
	routerLogBatch  = 512
	routerRedactors = 10 * time.Second
	routerLogReread = time.Minute // lines of concurrent requests are written out of order by less than this
)

// seq numbers a line by its place: files are far smaller than 4 GiB.
func (p logPlace) seq() uint64 { return p.File<<32 | uint64(p.Offset) }

// Run follows the files until ctx ends and returns nil, or an error when the cursor cannot be read. It is called once.
func (r *RouterLog) Run(ctx context.Context) error {
	if r.Log == nil {
		r.Log = slog.New(slog.DiscardHandler)
	}
	if r.Every == 0 {
		r.Every = routerLogEvery
	}
	if store, ok := r.Logs.(interface{ Durable() time.Duration }); ok && r.DurableAfter == 0 {
		r.DurableAfter = store.Durable()
	}
	if err := r.loadCursor(); err != nil {
		return err
	}
	r.redactors = redactors{from: r.Redactor, keep: routerRedactors}
	ticker := time.NewTicker(r.Every)
	defer ticker.Stop()
	defer func() { r.reader.close() }()
	wait, failing := newBackoff(), false
	for ctx.Err() == nil {
		err := r.step(ctx)
		if err != nil && ctx.Err() == nil {
			if !failing {
				r.Log.WarnContext(ctx, "the router's log cannot be collected", "error", err)
			}
			failing = true
			wait.sleep(ctx)
			continue
		}
		failing = false
		wait.reset()
		select {
		case <-ctx.Done():
		case <-ticker.C:
		}
	}
	r.moveCursor(context.WithoutCancel(ctx), time.Now())
	return nil
}

// step stores what the files have more, batch by batch.
func (r *RouterLog) step(ctx context.Context) error {
	if r.stored == nil {
		if err := r.readStored(ctx); err != nil {
			return err
		}
	}
	for ctx.Err() == nil {
		more, err := r.batch(ctx)
		if err != nil {
			return err
		}
		r.moveCursor(ctx, time.Now())
		if !more {
			return nil
		}
	}
	return nil
}

// readStored learns which of the lines from the cursor on are stored already. Without a cursor that may be any.
func (r *RouterLog) readStored(ctx context.Context) error {
	stored := map[uint64]uint64{}
	q := observability.LogQuery{Source: observability.SourceRouter, To: time.Now().Add(time.Hour), Limit: observability.MaxLogLimit}
	if !r.at.Last.IsZero() {
		q.From = r.at.Last.Add(-routerLogReread)
	}
	for {
		page, err := r.Logs.Query(ctx, q)
		if err != nil {
			return fmt.Errorf("query stored lines of the router: %w", err)
		}
		for i := range page.Lines {
			if l := &page.Lines[i]; l.Seq >= r.at.seq() {
				stored[l.Seq] = max(l.Seq, l.EndSeq)
			}
		}
		if page.Next == "" {
			break
		}
		q.Cursor = page.Next
	}
	r.stored = stored
	return nil
}

// batch reads, stores and passes some lines. It returns whether there may be more.
func (r *RouterLog) batch(ctx context.Context) (more bool, err error) {
	last := r.last
	raw, to, lost, err := r.reader.read(r.Dir, r.at, routerLogBatch)
	if err != nil {
		return false, err
	}
	if to.File < r.at.File { // the folder was emptied, and its numbers begin anew
		r.stored, r.passed = map[uint64]uint64{}, 0
	}
	var lines []observability.Line
	if lost > 0 {
		lines = append(lines, r.lostLine(lost, to))
	}
	for i := range raw {
		if r.isStored(raw[i].place.seq()) {
			last = timeOf(raw[i].text, last)
			continue
		}
		line, err := r.line(ctx, raw[i], last)
		if err != nil {
			return false, err
		}
		last = timeOf(raw[i].text, last)
		lines = append(lines, line)
	}
	lines = joinCrash(lines)
	if len(lines) > 0 {
		if err := r.Logs.Append(ctx, lines); err != nil {
			return false, fmt.Errorf("store lines of the router: %w", err)
		}
		r.Hub.Publish(lines)
	}
	to.Last = last
	r.at, r.last = to, last
	return len(raw) == routerLogBatch, nil
}

// isStored reports whether the line with that seq is stored, or is a part of one that is.
func (r *RouterLog) isStored(seq uint64) bool {
	if end, ok := r.stored[seq]; ok {
		delete(r.stored, seq)
		r.passed = end
	}
	return seq <= r.passed
}

// moveCursor notes what is stored, and writes down what has been stored long enough to be durable.
func (r *RouterLog) moveCursor(ctx context.Context, now time.Time) {
	if n := len(r.checkpoints); r.at.File > 0 && (n == 0 || r.checkpoints[n-1].to != r.at) && r.saved != r.at {
		if n == 0 || now.Sub(r.checkpoints[n-1].when) >= saveEvery || r.DurableAfter == 0 {
			r.checkpoints = append(r.checkpoints, logCheckpoint{now, r.at})
		}
	}
	sure := 0
	for sure < len(r.checkpoints) && now.Sub(r.checkpoints[sure].when) >= r.DurableAfter {
		sure++
	}
	if sure == 0 {
		return
	}
	to := r.checkpoints[sure-1].to
	raw, err := json.Marshal(to)
	if err == nil {
		err = durable.Replace(filepath.Join(r.StateDir, routerCursor), durable.Bytes(raw))
	}
	if err != nil {
		r.Log.ErrorContext(ctx, "the cursor of the router's log cannot be saved", "error", err)
		return
	}
	r.saved, r.checkpoints = to, slices.Clone(r.checkpoints[sure:])
}

// loadCursor reads the cursor. A broken one is as none: what is stored of what is read again is told apart.
func (r *RouterLog) loadCursor() error {
	if err := os.MkdirAll(r.StateDir, 0o700); err != nil {
		return fmt.Errorf("make the cursor folder: %w", err)
	}
	raw, err := os.ReadFile(filepath.Join(r.StateDir, routerCursor))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("read the cursor of the router's log: %w", err)
	}
	if err == nil && json.Unmarshal(raw, &r.at) != nil {
		r.at = logPlace{}
	}
	r.saved, r.last = r.at, r.at.Last
	return nil
}

// rawLine is a line of the router's log with its place.
type rawLine struct {
	place logPlace
	text  string
}

// lineReader reads the files from a place on.
type lineReader struct {
	file   *os.File
	number uint64
}

func (l *lineReader) close() {
	if l.file != nil {
		l.file.Close()
	}
	l.file, l.number = nil, 0
}

// read returns up to limit whole lines from a place on, where they end, and how many files went before they were read.
// The last line of a file that another one follows is whole, its end or not: nobody will write it on.
func (l *lineReader) read(dir string, from logPlace, limit int) (lines []rawLine, to logPlace, lost uint64, err error) {
	numbers, err := routing.LogNumbers(dir)
	if errors.Is(err, fs.ErrNotExist) || err == nil && len(numbers) == 0 {
		return nil, from, 0, nil // no router was started yet
	}
	if err != nil {
		return nil, from, 0, err
	}
	to = from
	for len(lines) < limit {
		i, found := slices.BinarySearch(numbers, to.File)
		if i == len(numbers) {
			i, found, to = 0, true, logPlace{File: numbers[0]}
		}
		if !found {
			if to.File > 0 {
				lost += numbers[i] - to.File
			}
			to.File, to.Offset = numbers[i], 0
		}
		next := i+1 < len(numbers)
		n := len(lines)
		if lines, err = l.readFile(dir, &to, lines, limit, next); errors.Is(err, fs.ErrNotExist) {
			return lines, to, lost, nil // it was rotated away at this moment; the next look tells
		}
		if err != nil {
			return lines, to, lost, err
		}
		if len(lines) == n && !next {
			return lines, to, lost, nil
		}
		if len(lines) < limit && next {
			to.File, to.Offset = numbers[i+1], 0
		} else if !next {
			return lines, to, lost, nil
		}
	}
	return lines, to, lost, nil
}

func (l *lineReader) readFile(dir string, to *logPlace, lines []rawLine, limit int, whole bool) ([]rawLine, error) {
	if l.number != to.File {
		l.close()
		file, err := os.Open(routing.LogPath(dir, to.File))
		if err != nil {
			return lines, fmt.Errorf("open the router's log: %w", err)
		}
		l.file, l.number = file, to.File
	}
	if info, err := l.file.Stat(); err != nil || info.Size() <= to.Offset {
		return lines, err
	}
	in := bufio.NewReaderSize(io.NewSectionReader(l.file, to.Offset, 1<<40), 64<<10)
	for len(lines) < limit {
		text, err := in.ReadString('\n')
		if errors.Is(err, io.EOF) && (!whole || text == "") {
			return lines, nil
		}
		if err != nil && !errors.Is(err, io.EOF) {
			return lines, fmt.Errorf("read the router's log: %w", err)
		}
		place := *to
		to.Offset += int64(len(text))
		if err == nil {
			text = text[:len(text)-1]
		}
		lines = append(lines, rawLine{place, text})
	}
	return lines, nil
}
