package cli

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/fairlead/fairlead/agent/patterns"
	"github.com/fairlead/fairlead/observability"
	"github.com/fairlead/fairlead/platform"
)

// assigned is one line of a file with its template.
type assigned struct {
	Line     string              `json:"line"`
	ID       patterns.TemplateID `json:"id"`
	Template string              `json:"template"`
}

// patternsOf groups the lines of a file in this process. Later lines may show that two templates are one, so the file is
// read once to learn and once more to answer.
func (a *app) patternsOf(ctx context.Context, f patternFlags, given []string) error {
	if len(given) > 0 {
		return platform.Errorf(platform.CodeInvalid, "--input reads a file, not the service %s.", given[0]).WithHint("Leave one of them out.").WithField("input")
	}
	file, err := a.openInput(f.input)
	if err != nil {
		return err
	}
	defer file.Close()
	m := patterns.New(patterns.Config{})
	var ids []patterns.TemplateID
	if err := eachLine(ctx, file, func(line string) error {
		ids = append(ids, m.Add(line))
		return nil
	}); err != nil {
		return err
	}
	if _, err := file.Seek(0, io.SeekStart); err != nil {
		return err
	}
	w := bufio.NewWriter(a.Out)
	if f.assign {
		err = a.assign(ctx, w, file, m, ids)
	} else {
		err = a.groupFile(ctx, file, m, ids, f.top)
	}
	return errors.Join(err, w.Flush())
}

// openInput opens a file that can be read twice: standard input is kept in a temporary one.
func (a *app) openInput(name string) (*os.File, error) {
	refuse := func(err error) error {
		return platform.Errorf(platform.CodeInvalid, "The input cannot be read: %v.", err).WithHint("Name a file of log lines, or - for standard input.").WithField("input")
	}
	if name != "-" {
		if !filepath.IsAbs(name) {
			name = filepath.Join(a.Dir, name)
		}
		f, err := os.Open(name)
		if err != nil {
			return nil, refuse(err)
		}
		return f, nil
	}
	f, err := os.CreateTemp("", "fairlead-lines-")
	if err != nil {
		return nil, refuse(err)
	}
	_ = os.Remove(f.Name()) // it lives as long as it is open
	if _, err = io.Copy(f, a.In); err == nil {
		_, err = f.Seek(0, io.SeekStart)
	}
	if err != nil {
		_ = f.Close()
		return nil, refuse(err)
	}
	return f, nil
}

// eachLine hands over every line without its end; a last one that has no end counts.
func eachLine(ctx context.Context, r io.Reader, each func(string) error) error {
	lines := bufio.NewReaderSize(r, 64<<10)
	for {
		line, err := lines.ReadString('\n')
		if line != "" {
			if err := each(strings.TrimRight(line, "\r\n")); err != nil {
				return err
			}
		}
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return platform.Errorf(platform.CodeInvalid, "The input cannot be read: %v.", err).WithHint("Name a file of log lines, or - for standard input.").WithField("input")
		case ctx.Err() != nil:
			return ctx.Err()
		}
	}
}

// assign prints each line with its template. A template that was dropped for want of room is written as one variable.
func (a *app) assign(ctx context.Context, w *bufio.Writer, r io.Reader, m *patterns.Miner, ids []patterns.TemplateID) error {
	out := *a.out
	out.w = w
	n := 0
	return eachLine(ctx, r, func(line string) error {
		if n == len(ids) {
			return nil // the file has grown since
		}
		id := m.Resolve(ids[n])
		n++
		template := patterns.Wildcard
		if found, ok := m.Template(id); ok {
			template = found.Text
		}
		if a.json() {
			return out.line(assigned{Line: line, ID: id, Template: template})
		}
		_, err := w.WriteString(line + "\t" + strconv.Itoa(int(id)) + "\t" + template + "\n")
		return err
	})
}

// groupFile shows the templates of a file as those of a query are shown.
func (a *app) groupFile(ctx context.Context, r io.Reader, m *patterns.Miner, ids []patterns.TemplateID, top int) error {
	groups := map[patterns.TemplateID]*observability.LogPattern{}
	n := 0
	err := eachLine(ctx, r, func(line string) error {
		if n == len(ids) {
			return nil
		}
		id := m.Resolve(ids[n])
		n++
		if groups[id] == nil {
			groups[id] = &observability.LogPattern{Template: line, Example: line, Levels: map[observability.Level]int{}}
			if found, ok := m.Template(id); ok {
				groups[id].Template = found.Text
			}
		}
		groups[id].Lines++
		return nil
	})
	if err != nil {
		return err
	}
	found := observability.LogPatterns{Templates: len(groups), Patterns: make([]observability.LogPattern, 0, len(groups))}
	found.Lines, found.Read = int64(n), int64(n)
	for _, g := range groups {
		g.Share = float64(g.Lines) / float64(n)
		found.Patterns = append(found.Patterns, *g)
	}
	slices.SortFunc(found.Patterns, func(a, b observability.LogPattern) int {
		return cmp.Or(-cmp.Compare(a.Lines, b.Lines), cmp.Compare(a.Template, b.Template))
	})
	found.Patterns = found.Patterns[:min(max(0, top), len(found.Patterns))]
	if a.json() {
		return a.out.json(found)
	}
	a.showPatterns(found)
	return nil
}
