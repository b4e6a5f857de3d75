package causes

import (
	"strconv"
	"strings"
)

// FileDiff is what a commit did to one file.
type FileDiff struct {
	Old, New string // paths; Old is "" for a new file, New is "" for a deleted one
	Hunks    []Hunk
	Binary   bool
}

// Path is the file's name after the commit, or before it when it was deleted.
func (d FileDiff) Path() string {
	if d.New != "" {
		return d.New
	}
	return d.Old
}

// Hunk is one run of changed lines.
type Hunk struct {
	OldStart, OldLines int
	NewStart, NewLines int
	Section            string // what Git prints after the second @@: usually the function
	Lines              []HunkLine
	Text               string // as written, header first
}

// HunkLine is one line of a hunk.
type HunkLine struct {
	Op   byte   // ' ', '+' or '-'
	Text string // without the operator
	Old  int    // line number before; 0 for added lines
	New  int    // line number after; 0 for removed lines
}

// ParseDiff reads a unified diff as Git writes it. Text before the first file and lines that fit nothing are passed
// over; counts in a header that the body does not honour end the hunk where the body does.
func ParseDiff(diff string) []FileDiff {
	p := diffParser{}
	for len(diff) > 0 {
		line, rest, _ := strings.Cut(diff, "\n")
		diff = rest
		p.line(line)
	}
	p.endHunk()
	return p.files
}

type diffParser struct {
	files            []FileDiff
	hunk             *Hunk
	oldLeft, newLeft int
	oldAt, newAt     int
	text             strings.Builder
}

func (p *diffParser) line(line string) {
	if p.hunk != nil && p.inHunk(line) {
		return
	}
	p.endHunk()
	switch {
	case strings.HasPrefix(line, "diff --git "):
		p.files = append(p.files, FileDiff{})
		old, updated, ok := strings.Cut(strings.TrimPrefix(line, "diff --git "), " b/")
		if ok {
			p.file().Old, p.file().New = strings.TrimPrefix(old, "a/"), updated
		}
	case strings.HasPrefix(line, "--- "):
		if len(p.files) == 0 || len(p.file().Hunks) > 0 { // a plain diff with no "diff --git" lines
			p.files = append(p.files, FileDiff{})
		}
		p.file().Old = diffPath(line[4:], "a/")
	case strings.HasPrefix(line, "+++ ") && len(p.files) > 0:
		p.file().New = diffPath(line[4:], "b/")
	case strings.HasPrefix(line, "rename from ") && len(p.files) > 0:
		p.file().Old = unquotePath(strings.TrimPrefix(line, "rename from "))
	case strings.HasPrefix(line, "rename to ") && len(p.files) > 0:
		p.file().New = unquotePath(strings.TrimPrefix(line, "rename to "))
	case strings.HasPrefix(line, "new file mode") && len(p.files) > 0:
		p.file().Old = ""
	case strings.HasPrefix(line, "deleted file mode") && len(p.files) > 0:
		p.file().New = ""
	case strings.HasPrefix(line, "Binary files ") && len(p.files) > 0:
		p.file().Binary = true
	case strings.HasPrefix(line, "@@ ") && len(p.files) > 0:
		p.startHunk(line)
	}
}

func (p *diffParser) file() *FileDiff { return &p.files[len(p.files)-1] }

// startHunk reads "@@ -1,3 +1,4 @@ section".
func (p *diffParser) startHunk(line string) {
	ranges, section, ok := strings.Cut(line[3:], " @@")
	if !ok {
		return
	}
	before, after, ok := strings.Cut(ranges, " ")
	if !ok || !strings.HasPrefix(before, "-") || !strings.HasPrefix(after, "+") {
		return
	}
	h := &Hunk{Section: strings.TrimSpace(section)}
	var okOld, okNew bool
	h.OldStart, h.OldLines, okOld = parseRange(before[1:])
	h.NewStart, h.NewLines, okNew = parseRange(after[1:])
	if !okOld || !okNew {
		return
	}
	p.hunk, p.oldLeft, p.newLeft, p.oldAt, p.newAt = h, h.OldLines, h.NewLines, h.OldStart, h.NewStart
	p.text.Reset()
	p.text.WriteString(line)
}

func parseRange(s string) (start, count int, ok bool) {
	first, second, both := strings.Cut(s, ",")
	start, err := strconv.Atoi(first)
	if err != nil || start < 0 {
		return 0, 0, false
	}
	if !both {
		return start, 1, true
	}
	count, err = strconv.Atoi(second)
	return start, count, err == nil && count >= 0
}

// inHunk takes one line of the hunk's body and reports whether it was one.
func (p *diffParser) inHunk(line string) bool {
	if strings.HasPrefix(line, `\ No newline`) {
		p.write(line)
		return true
	}
	if p.oldLeft <= 0 && p.newLeft <= 0 {
		return false
	}
	op, text := byte(' '), ""
	if line != "" { // some tools strip the single space of an empty context line
		op, text = line[0], line[1:]
	}
	switch {
	case op == '+' && p.newLeft > 0:
		p.hunk.Lines = append(p.hunk.Lines, HunkLine{Op: '+', Text: text, New: p.newAt})
		p.newAt++
		p.newLeft--
	case op == '-' && p.oldLeft > 0:
		p.hunk.Lines = append(p.hunk.Lines, HunkLine{Op: '-', Text: text, Old: p.oldAt})
		p.oldAt++
		p.oldLeft--
	case op == ' ' && p.oldLeft > 0 && p.newLeft > 0:
		p.hunk.Lines = append(p.hunk.Lines, HunkLine{Op: ' ', Text: text, Old: p.oldAt, New: p.newAt})
		p.oldAt++
		p.newAt++
		p.oldLeft--
		p.newLeft--
	default:
		return false
	}
	p.write(line)
	return true
}

func (p *diffParser) write(line string) {
	p.text.WriteByte('\n')
	p.text.WriteString(line)
}

func (p *diffParser) endHunk() {
	if p.hunk == nil {
		return
	}
	p.hunk.Text = p.text.String()
	if len(p.hunk.Lines) > 0 {
		p.file().Hunks = append(p.file().Hunks, *p.hunk)
	}
	p.hunk = nil
}

// diffPath reads a path of a --- or +++ line; /dev/null gives "".
func diffPath(s, prefix string) string {
	s, _, _ = strings.Cut(s, "\t")
	s = unquotePath(s)
	if s == "/dev/null" {
		return ""
	}
	return strings.TrimPrefix(s, prefix)
}

func unquotePath(s string) string {
	if strings.HasPrefix(s, `"`) {
		if plain, err := strconv.Unquote(s); err == nil {
			return plain
		}
	}
	return s
}

// before maps a line number after the commit to the one before it. introduced is true, with the hunk, when the commit
// itself wrote the line.
func (d FileDiff) before(line int) (old int, introduced bool, in *Hunk) {
	shift := 0
	for i := range d.Hunks {
		h := &d.Hunks[i]
		// Git writes "+n,0" for a hunk that only removes: it stands after line n.
		if line < h.NewStart || (h.NewLines == 0 && line <= h.NewStart) {
			break
		}
		if line < h.NewStart+h.NewLines {
			for _, l := range h.Lines {
				if l.New == line {
					return l.Old, l.Op == '+', h
				}
			}
			return 0, false, h
		}
		shift += h.OldLines - h.NewLines
	}
	return line + shift, false, nil
}

// hunkNear returns the hunk whose range after the commit holds the line, or comes within reach lines of it.
func (d FileDiff) hunkNear(line, reach int) *Hunk {
	for i := range d.Hunks {
		h := &d.Hunks[i]
		if line >= h.NewStart-reach && line < h.NewStart+max(h.NewLines, 1)+reach {
			return h
		}
	}
	return nil
}

// cleanPath brings a path to the form that Git uses: no leading "./" or "/", no trailing "/"; "." is "".
func cleanPath(p string) string {
	for strings.HasPrefix(p, "./") {
		p = p[2:]
	}
	p = strings.Trim(p, "/")
	if p == "." {
		return ""
	}
	return p
}

// ParseLoose reads a diff as people shorten it: without headers of files or of hunks, its lines still say what was added
// and what was taken away. They belong to the only file that is named, or to none.
func ParseLoose(diff string, files []string) []FileDiff {
	if out := ParseDiff(diff); len(out) > 0 && hasHunks(out) || diff == "" {
		return out
	}
	file := FileDiff{}
	var h Hunk
	end := func() {
		if len(h.Lines) > 0 {
			file.Hunks = append(file.Hunks, h)
		}
		h = Hunk{}
	}
	var out []FileDiff
	if len(files) == 1 {
		file.Old, file.New = files[0], files[0]
	}
	for line := range strings.SplitSeq(diff, "\n") {
		switch {
		case strings.HasPrefix(line, "+++ "):
			file.New = diffPath(line[4:], "b/")
		case strings.HasPrefix(line, "--- "):
			end()
			if len(file.Hunks) > 0 {
				out = append(out, file)
				file = FileDiff{}
			}
			file.Old = diffPath(line[4:], "a/")
		case strings.HasPrefix(line, "@@"):
			end()
			h.Section = line
		case strings.HasPrefix(line, "+"), strings.HasPrefix(line, "-"):
			h.Lines = append(h.Lines, HunkLine{Op: line[0], Text: line[1:]})
			h.Text += line + "\n"
		case line != "":
			h.Lines = append(h.Lines, HunkLine{Op: ' ', Text: line})
			h.Text += line + "\n"
		}
	}
	end()
	if len(file.Hunks) > 0 {
		out = append(out, file)
	}
	return out
}

func hasHunks(files []FileDiff) bool {
	for _, f := range files {
		if len(f.Hunks) > 0 {
			return true
		}
	}
	return false
}
