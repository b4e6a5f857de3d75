package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"time"
	"unicode"

	"golang.org/x/term"

	"github.com/fairlead/fairlead/observability"
)

// screen writes for people: aligned tables, colours where the output is a terminal, times as they are read.
type screen struct {
	w     io.Writer
	color bool
	now   func() time.Time
}

func newScreen(w io.Writer, getenv func(string) string, now func() time.Time) *screen {
	s := &screen{w: w, now: now}
	if f, ok := w.(*os.File); ok {
		s.color = term.IsTerminal(int(f.Fd())) && getenv("NO_COLOR") == "" && getenv("TERM") != "dumb"
	}
	return s
}

func (s *screen) print(format string, args ...any) { fmt.Fprintf(s.w, format+"\n", args...) }

// json writes v as the API has it.
func (s *screen) json(v any) error {
	enc := json.NewEncoder(s.w)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}

// line writes v as one line of JSON, for streams.
func (s *screen) line(v any) error {
	enc := json.NewEncoder(s.w)
	enc.SetEscapeHTML(false)
	return enc.Encode(v)
}

// table writes rows in columns under a heading. A cell may be coloured: only what is seen counts for its width.
func (s *screen) table(heading []string, rows [][]string) {
	widths := make([]int, len(heading))
	all := append([][]string{heading}, rows...)
	for _, row := range all {
		for i, cell := range row {
			widths[i] = max(widths[i], width(cell))
		}
	}
	for n, row := range all {
		var b strings.Builder
		for i, cell := range row {
			if n == 0 {
				cell = s.bold(cell)
			}
			b.WriteString(cell)
			if i < len(row)-1 {
				b.WriteString(strings.Repeat(" ", widths[i]-width(cell)+2))
			}
		}
		fmt.Fprintln(s.w, strings.TrimRight(b.String(), " "))
	}
}

// fields writes names and values in two columns; empty values are left out.
func (s *screen) fields(pairs ...string) {
	longest := 0
	for i := 0; i < len(pairs); i += 2 {
		if pairs[i+1] != "" {
			longest = max(longest, len(pairs[i]))
		}
	}
	for i := 0; i < len(pairs); i += 2 {
		if pairs[i+1] == "" {
			continue
		}
		fmt.Fprintf(s.w, "%s%s%s\n", s.dim(pairs[i]), strings.Repeat(" ", longest-len(pairs[i])+2), indentAfterFirst(pairs[i+1], longest+2))
	}
}

func indentAfterFirst(text string, by int) string {
	return strings.ReplaceAll(text, "\n", "\n"+strings.Repeat(" ", by))
}

// block writes text indented.
func (s *screen) block(text string, by int) {
	pad := strings.Repeat(" ", by)
	for line := range strings.SplitSeq(strings.TrimRight(text, "\n"), "\n") {
		fmt.Fprintln(s.w, strings.TrimRight(pad+line, " "))
	}
}

// columns is how wide prose is written.
const columns = 110

// paragraph writes text of others as prose of at most columns: lead before the first line, as much space before the
// rest. mark is ours, such as coloured citations, and stays with the end.
func (s *screen) paragraph(lead, text, mark string) {
	pad := strings.Repeat(" ", width(lead))
	var b strings.Builder
	b.WriteString(lead)
	at := width(lead)
	words := strings.Fields(clean(text))
	if mark != "" {
		words = append(words, mark)
	}
	for i, word := range words {
		switch {
		case i == 0:
		case at+1+width(word) > columns:
			b.WriteString("\n" + pad)
			at = width(pad)
		default:
			b.WriteByte(' ')
			at++
		}
		b.WriteString(word)
		at += width(word)
	}
	fmt.Fprintln(s.w, b.String())
}

func (s *screen) paint(code, text string) string {
	if !s.color || text == "" {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}

func (s *screen) bold(t string) string   { return s.paint("1", t) }
func (s *screen) dim(t string) string    { return s.paint("2", t) }
func (s *screen) red(t string) string    { return s.paint("31", t) }
func (s *screen) green(t string) string  { return s.paint("32", t) }
func (s *screen) yellow(t string) string { return s.paint("33", t) }
func (s *screen) cyan(t string) string   { return s.paint("36", t) }

// level colours text by how grave a line is.
func (s *screen) level(l observability.Level, text string) string {
	switch l {
	case observability.LevelError, observability.LevelFatal:
		return s.red(text)
	case observability.LevelWarn:
		return s.yellow(text)
	case observability.LevelDebug, observability.LevelUnknown:
		return s.dim(text)
	default:
		return s.green(text)
	}
}

// state colours a word by what it means.
func (s *screen) state(word string) string {
	switch word {
	case "live", "ready", "verified", "resolved", "ok", "approved", "healthy":
		return s.green(word)
	case "failed", "dead", "down", "open", "unhealthy", "stale", "expired", "rejected":
		return s.red(word)
	case "pending", "degraded", "deploying", "executing", "starting", "draining", "canceled", "superseded":
		return s.yellow(word)
	}
	return word
}

// ago says how long ago a moment was; an empty time is a dash.
func (s *screen) ago(at time.Time) string {
	if at.IsZero() {
		return "-"
	}
	d := s.now().Sub(at)
	if d < 0 {
		return "in " + span(-d)
	}
	return span(d) + " ago"
}

// when is a moment both ways.
func (s *screen) when(at time.Time) string {
	if at.IsZero() {
		return ""
	}
	return stamp(at) + " (" + s.ago(at) + ")"
}

func (s *screen) whenPtr(at *time.Time) string {
	if at == nil {
		return ""
	}
	return s.when(*at)
}

func stamp(at time.Time) string { return at.UTC().Format("2006-01-02 15:04:05Z") }

// span writes a duration in its largest unit or two.
func span(d time.Duration) string {
	switch {
	case d < time.Second:
		return "moments"
	case d < time.Minute:
		return fmt.Sprintf("%ds", int(d.Seconds()))
	case d < time.Hour:
		return fmt.Sprintf("%dm", int(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%dh%02dm", int(d.Hours()), int(d.Minutes())%60)
	}
	return fmt.Sprintf("%dd", int(d.Hours()/24))
}

// width counts what is seen of a cell: runes, less the colours.
func width(cell string) int {
	n, escape := 0, false
	for _, r := range cell {
		switch {
		case r == '\x1b':
			escape = true
		case escape:
			escape = r != 'm'
		default:
			n++
		}
	}
	return n
}

// clean makes text of others safe to show: control characters, which could move the cursor or hide text, and the marks
// that turn the direction of writing are left out; tabs and line ends stay.
func clean(text string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\t':
			return r
		case unicode.IsControl(r), r >= 0x202a && r <= 0x202e, r >= 0x2066 && r <= 0x2069, r == 0x200e, r == 0x200f, r == 0xfeff:
			return -1
		}
		return r
	}, text)
}

// oneLine is clean text without line ends, cut to n runes.
func oneLine(text string, n int) string {
	text = strings.Join(strings.Fields(clean(text)), " ")
	if runes := []rune(text); len(runes) > n {
		return string(runes[:n-1]) + "…"
	}
	return text
}

func dash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}
