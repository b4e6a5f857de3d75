package dashboard

import (
	"bytes"
	"embed"
	"errors"
	"fmt"
	"html/template"
	"net/http"
	"strings"
	"time"
	"unicode"

	"github.com/fairlead/fairlead/platform"
)

//go:embed templates
var templateFiles embed.FS

// views are the parsed pages by name, each within the layout.
var views = parseViews("sign-in", "incidents", "incident", "plans", "plan", "audit", "error")

func parseViews(names ...string) map[string]*template.Template {
	out := map[string]*template.Template{}
	for _, name := range names {
		t := template.New("layout.html").Funcs(functions)
		out[name] = template.Must(t.ParseFS(templateFiles, "templates/layout.html", "templates/parts.html", "templates/"+name+".html"))
	}
	return out
}

var functions = template.FuncMap{
	"clean": clean, "diff": diffLines, "stamp": stamp, "moment": moment, "percent": percent, "first": firstLine, "short": platform.ShortSHA,
	"duration": func(d platform.Duration) string { return time.Duration(d).Round(time.Millisecond).String() },
	"lower":    lowerFirst, "words": words,
}

// layout is what every page is given: View is its own.
type layout struct {
	Title string
	Path  string // of this page, for its own refresh
	Tab   string
	Actor *platform.Actor // nil: nobody is signed in
	Form  string
	Now   time.Time
	View  any
}

// render writes a page whole or, where it cannot be made, an error.
func (p *pages) render(w http.ResponseWriter, r *http.Request, status int, s *session, name, title string, view any) {
	data := layout{Title: title, Path: r.URL.RequestURI(), Tab: name, Now: p.o.Now(), View: view}
	if s != nil {
		data.Actor, data.Form = &s.actor, s.Form
	}
	var page bytes.Buffer
	if err := views[name].ExecuteTemplate(&page, "layout.html", data); err != nil {
		p.o.Log.ErrorContext(r.Context(), "a page could not be made", "page", name, "error", err)
		http.Error(w, "This page could not be made; the server's log says why.", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write(page.Bytes())
}

// fail writes what was refused or went wrong, and what to do.
func (p *pages) fail(w http.ResponseWriter, r *http.Request, s *session, err error) {
	said := asError(err)
	if said.Code == platform.CodeInternal {
		p.o.Log.ErrorContext(r.Context(), "a page failed", "path", r.URL.Path, "error", err)
	}
	p.render(w, r, statusOf(said.Code), s, "error", "That did not work", said)
}

func asError(err error) *platform.Error {
	var said *platform.Error
	if errors.As(err, &said) {
		return said
	}
	return platform.Errorf(platform.CodeInternal, "Something went wrong inside Fairlead.").WithHint("The server's log says what.")
}

func statusOf(code platform.ErrorCode) int {
	switch code {
	case platform.CodeInvalid:
		return http.StatusUnprocessableEntity
	case platform.CodeUnauthenticated:
		return http.StatusUnauthorized
	case platform.CodeDenied, platform.CodeApprovalRequired:
		return http.StatusForbidden
	case platform.CodeNotFound:
		return http.StatusNotFound
	case platform.CodeConflict:
		return http.StatusConflict
	case platform.CodeExhausted:
		return http.StatusTooManyRequests
	case platform.CodeUnavailable:
		return http.StatusServiceUnavailable
	case platform.CodeInternal:
	}
	return http.StatusInternalServerError
}

// clean makes what cannot be seen visible: text of others must look like what it is.
func clean(text string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\t' || unicode.IsPrint(r):
			return r
		case r == '\r':
			return -1
		default:
			return '\uFFFD'
		}
	}, text)
}

func firstLine(text string) string {
	line, _, _ := strings.Cut(clean(text), "\n")
	return line
}

// diffLine is a line of a diff and how it is shown.
type diffLine struct{ Class, Text string }

func diffLines(hunk string) []diffLine {
	var out []diffLine
	for text := range strings.SplitSeq(strings.TrimRight(clean(hunk), "\n"), "\n") {
		class := "same"
		switch {
		case strings.HasPrefix(text, "@@"):
			class = "place"
		case strings.HasPrefix(text, "+"):
			class = "added"
		case strings.HasPrefix(text, "-"):
			class = "removed"
		}
		out = append(out, diffLine{class, text})
	}
	return out
}

func stamp(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05Z") }

// moment is a time as people say it, as seen from now.
func moment(now time.Time, at any) string {
	var t time.Time
	switch v := at.(type) {
	case time.Time:
		t = v
	case *time.Time:
		if v != nil {
			t = *v
		}
	}
	if t.IsZero() {
		return "never"
	}
	d, form := now.Sub(t), "%s ago"
	if d < 0 {
		d, form = -d, "in %s"
	}
	switch {
	case d < time.Second:
		return "now"
	case d < time.Minute:
		return fmt.Sprintf(form, fmt.Sprintf("%d s", int(d.Seconds())))
	case d < time.Hour:
		return fmt.Sprintf(form, fmt.Sprintf("%d min", int(d.Minutes())))
	case d < 48*time.Hour:
		return fmt.Sprintf(form, fmt.Sprintf("%d h %d min", int(d.Hours()), int(d.Minutes())%60))
	default:
		return fmt.Sprintf(form, fmt.Sprintf("%d days", int(d.Hours()/24)))
	}
}

func percent(share float64) string { return fmt.Sprintf("%.0f%%", 100*share) }

func lowerFirst(text string) string {
	if text == "" {
		return text
	}
	return strings.ToLower(text[:1]) + text[1:]
}

// words turns disk_full into "disk full".
func words(name any) string { return strings.ReplaceAll(fmt.Sprint(name), "_", " ") }
