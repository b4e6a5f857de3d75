package causes

import (
	"fmt"
	"math"
	"regexp"
	"slices"
	"strings"

	"github.com/fairlead/fairlead/platform"
)

// touch says how directly a candidate reaches the lead, 0 to 1, and how in words.
func (w *world) touch(l *lead, c *candidate, ch *charge) float64 {
	best := 0.0
	take := func(score float64, how, quote, file string, h *Hunk) {
		if score > best {
			best, ch.how, ch.quote, ch.file, ch.hunk = score, how, quote, file, h
		}
	}
	for depth, frame := range l.frames {
		touchFrame(c, frame, depth, func(score float64, how, quote, file string, h *Hunk) {
			ch.placed = true
			if !inCode(l.category) { // the trace passes through code that only meets the fault
				score *= 0.72
			}
			take(score, how, quote, file, h)
		})
	}
	for _, n := range l.names {
		touchName(c, n, take)
	}
	way := ways[l.category]
	if how, ok := l.accuses[c.ID]; ok {
		take(0.9, how, "", "", nil)
	}
	ch.pointed = best >= 0.6
	if c.Kind == platform.ChangeFlag && akin(l, c) {
		take(0.85, "it speaks of what failed", firstLine(c.Message), "", nil)
	}
	plain := best
	touchKnobs(c, l.category, slices.Contains(w.needs[l.service], c.service), take)
	if !ch.pointed && turnsAway(c, l.category) {
		ch.how = "it turns its numbers the way that helps against this"
		return 0
	}
	if line, h := c.adds(way.direct); line != "" && (c.service == l.service || callersBring(l.category) && slices.Contains(l.others, c.service)) {
		take(0.76, "it adds what brings this by itself", line, h.path, h.hunk)
	}
	turned := best > plain
	vocabulary := touchWords(c, l.category, func(score float64, how, quote, file string, h *Hunk) {
		if l.outside() { // many innocent changes speak of it
			score = math.Min(score, sureOnly-0.05)
		}
		take(score, how, quote, file, h)
	})
	if guard, _ := c.adds(way.spares); guard != "" && vocabulary <= 0.3 && !inCode(l.category) {
		ch.how = "it only adds what guards against this"
		return 0
	}
	ch.fits = ch.pointed || ch.placed || vocabulary > 0 || turned
	if best >= 0.6 && vocabulary == 0 && c.Kind == platform.ChangeCommit && l.outside() && len(l.frames) == 0 {
		best = sureOnly - 0.05 // a word in common, in a change that cannot bring such a fault
	}
	if best > 0 && vocabulary > 0 && best > vocabulary {
		best = math.Min(1, best+0.1) // it names what failed, and does so in a way that can bring it
	}
	if slices.Contains(way.kinds, c.Kind) && !nothingButDeploy(c) && !(c.Kind == platform.ChangeSecret && !l.speaks("auth", "denied", "credential", "password", "token", "401", "key", "secret")) {
		fit := 0.45
		if c.Kind == platform.ChangeConfig { // settings are many: one must be about the fault
			fit = 0.3
		}
		switch {
		case vocabulary > 0.53 || len(c.Hunks) == 0 && says(way.said, c.Message):
			fit, ch.fits = 0.84, true
		case vocabulary > 0:
			fit = 0.55
		}
		take(fit, fmt.Sprintf("a change of kind %s can bring this by itself", c.Kind), firstLine(c.Message), "", nil)
	}
	return best
}

// place is where a line stands in a difference.
type place struct {
	path string
	hunk *Hunk
}

// adds finds a line of code that a change added and the expression fits.
func (c *candidate) adds(re *regexp.Regexp) (string, place) {
	if re == nil {
		return "", place{}
	}
	for _, d := range c.Hunks {
		if isProse(d.Path()) {
			continue
		}
		for i := range d.Hunks {
			for _, l := range d.Hunks[i].Lines {
				if text := strings.TrimSpace(stripComment(l.Text)); l.Op == '+' && re.MatchString(text) {
					return text, place{d.Path(), &d.Hunks[i]}
				}
			}
		}
	}
	return "", place{}
}

// inCode reports whether a fault of the category lies in the code that its stack trace runs through.
func inCode(c platform.Category) bool {
	switch c {
	case platform.CategoryCodeError, platform.CategoryHang, platform.CategoryPoisonMessage, platform.CategoryMemoryLeak, platform.CategoryLatencyRegression:
		return true
	default:
	}
	return false
}

// speaks reports whether the words of the lead hold one of the parts.
func (l *lead) speaks(parts ...string) bool {
	for _, c := range l.claims {
		if containsAnyOf(strings.ToLower(c.Quote), parts...) {
			return true
		}
	}
	return false
}

func nothingButDeploy(c *candidate) bool { return c.Kind == platform.ChangeDeploy }

func firstLine(s string) string {
	line, _, _ := strings.Cut(strings.TrimSpace(s), "\n")
	return line
}

// touchFrame tests a place in a stack trace against the files and hunks of a change.
func touchFrame(c *candidate, frame Frame, depth int, take func(float64, string, string, string, *Hunk)) {
	fade := 0.04 * float64(min(depth, 5))
	base := baseName(frame.File)
	for _, d := range c.Hunks {
		if sharedTail(d.Path(), cleanPath(frame.File)) == 0 {
			continue
		}
		take(0.62-fade, "it changed "+d.Path()+", the file that failed", "", d.Path(), firstHunk(d))
		if h := changesFunction(d, frame.Func); h != nil {
			take(0.85-fade, fmt.Sprintf("it changed %s, the function that failed, in %s", frame.Func, d.Path()), changedLine(h), d.Path(), h)
		}
		if _, introduced, h := d.before(frame.Line); introduced && frame.Line > 0 {
			take(0.97-fade, fmt.Sprintf("it wrote line %d of %s", frame.Line, d.Path()), changedLine(h), d.Path(), h)
		} else if h := d.hunkNear(frame.Line, nearLines); h != nil {
			take(0.8-fade, fmt.Sprintf("it changed lines next to line %d of %s", frame.Line, d.Path()), changedLine(h), d.Path(), h)
		}
	}
	for _, f := range c.Files {
		if baseName(f) == base && base != "" {
			take(0.66-fade, "it changed "+f+", the file that failed", "", f, nil)
		}
	}
}

func changedLine(h *Hunk) string {
	for _, op := range []byte{'+', '-'} {
		for _, l := range h.Lines {
			if t := strings.TrimSpace(l.Text); l.Op == op && len(t) > 2 {
				return t
			}
		}
	}
	return ""
}

// touchName looks for a word that the error names.
func touchName(c *candidate, name string, take func(float64, string, string, string, *Hunk)) {
	if len(name) < 2 {
		return
	}
	for _, d := range c.Hunks {
		if isProse(d.Path()) {
			continue
		}
		for i := range d.Hunks {
			h := &d.Hunks[i]
			for _, l := range h.Lines {
				if l.Op == ' ' || !containsFold(stripComment(l.Text), name) {
					continue
				}
				verb := "added"
				if l.Op == '-' {
					verb = "took away"
				}
				take(0.9, fmt.Sprintf("it %s %s, which the error names", verb, name), strings.TrimSpace(l.Text), d.Path(), h)
			}
		}
	}
	if len(c.Hunks) == 0 && containsFold(c.Diff, name) {
		take(0.85, "its difference names "+name, "", "", nil)
	}
	for _, k := range c.Keys {
		if strings.EqualFold(k, name) {
			take(0.92, "it changed "+name+", which the error names", "", "", nil)
		}
	}
	message := c.Message
	if c.Kind == platform.ChangeMigration { // named in one word
		message = strings.ReplaceAll(message, "_", " ")
		name = strings.ReplaceAll(name, "_", " ")
	}
	if containsFold(message, name) && len(name) > 3 {
		take(0.75, "it speaks of "+name+", which the error names", "", "", nil)
	}
	for _, f := range c.Files {
		if containsFold(f, name) && len(name) > 3 {
			take(0.65, "it changed "+f, "", f, nil)
		}
	}
}

func containsFold(s, word string) bool {
	return containsWord(strings.ToLower(s), strings.ToLower(word))
}

// touchWords tests a change against the ways in which its kind of fault comes about, and returns how well it fits.
func touchWords(c *candidate, category platform.Category, take func(float64, string, string, string, *Hunk)) float64 {
	way := ways[category]
	if way.added == nil && way.removed == nil && way.said == nil {
		return 0
	}
	hit, all := 0, 0
	guard, _ := c.adds(way.spares)
	guards := guard != ""
	quote, file := "", ""
	var hunk *Hunk
	for _, d := range c.Hunks {
		if isProse(d.Path()) {
			continue
		}
		for i := range d.Hunks {
			for _, l := range d.Hunks[i].Lines {
				text := strings.TrimSpace(stripComment(l.Text))
				if l.Op == ' ' || len(text) < 3 {
					continue
				}
				all++
				if says(way.spares, text) && (l.Op == '+' || guards) {
					continue
				}
				if way.added != nil && l.Op == '+' && way.added.MatchString(text) || way.removed != nil && l.Op == '-' && way.removed.MatchString(text) {
					if hit++; quote == "" || l.Op == '+' && hunk == nil {
						quote, file, hunk = text, d.Path(), &d.Hunks[i]
					}
				}
			}
		}
	}
	said := says(way.said, c.Message)
	filed := false
	for _, f := range c.Files {
		filed = filed || says(way.files, f)
	}
	score := 0.0
	if hit > 0 {
		score = 0.42 + 0.16*float64(hit)/float64(all)
	}
	if said {
		score += 0.2
		if hit == 0 && len(c.Hunks) == 0 {
			score += 0.33 // there is no diff to look at
		}
	}
	if filed && score > 0 {
		score += 0.08
	}
	switch {
	case hit > 0 || len(c.Hunks) == 0:
	case c.Kind == platform.ChangeCommit: // its message speaks of it and its diff does not
		score = math.Min(score, 0.3)
	case said: // a setting's difference is short, and need not say what it is of
		score = 0.53
	}
	if c.Kind == platform.ChangeDeploy { // a deploy is a way to bring a change, and its words are those of any deploy
		score = math.Min(score, 0.3)
	}
	if c.watches(category) {
		take(math.Min(score, 0.3), "it is about what is seen of the service", firstLine(c.Message), "", nil)
		return 0
	}
	if category == platform.CategoryCodeError { // any code may err: without a place or a release it is a guess
		score = math.Min(score, convicts-0.05)
	}
	score = math.Min(score, 0.82)
	how := "its message speaks of what can bring this"
	if hit > 0 {
		how = "it changes what can bring this, in " + file
		if file == "" {
			how = "it changes what can bring this"
		}
	}
	if quote == "" {
		quote = firstLine(c.Message)
	}
	take(score, how, quote, file, hunk)
	return score
}

func says(re *regexp.Regexp, s string) bool { return re != nil && s != "" && re.MatchString(s) }
