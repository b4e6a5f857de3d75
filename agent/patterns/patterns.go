// Package patterns groups log lines by their template and says which templates are new, gone or surged between two windows.
//
// It owns the miner (masks, a prefix tree of fixed depth, generalisation by counting, merging, a bound on memory) and
// novelty by rate ratio. It is pure and has one configuration for every source. It must not know where lines come from
// or what they mean.
package patterns

import (
	"container/list"
	"hash/maphash"
	"strings"
)

// TemplateID names a template of one miner: 1, 2, 3 ... in order of first appearance.
type TemplateID int

// Config bounds a miner. The zero value of a field takes its default; the defaults serve every source.
type Config struct {
	MaxTemplates int // templates kept, the least recently seen is dropped; default 4096
	MaxTokens    int // tokens of a line that count; default 96
	MaxBytes     int // bytes of a line that count; default 4096
	// Distinct is how many different words in one place of otherwise equal lines make that place a variable; default 4.
	Distinct  int
	Exemplars int // lines kept with each template; default 2
}

func (c Config) withDefaults() Config {
	def := func(v *int, d int) {
		if *v <= 0 {
			*v = d
		}
	}
	def(&c.MaxTemplates, 4096)
	def(&c.MaxTokens, 96)
	def(&c.MaxBytes, 4096)
	def(&c.Distinct, 4)
	def(&c.Exemplars, 2)
	return c
}

// Template is a group of lines that differ in their variables only.
type Template struct {
	ID        TemplateID `json:"id"`
	Text      string     `json:"text"` // variables are written <*>
	Count     int        `json:"count"`
	Exemplars []string   `json:"exemplars"` // as given, cut at MaxBytes
}

// Wildcard stands for a variable in a template.
const Wildcard = "<*>"

// Miner assigns lines to templates as they come. It is not safe for use by several goroutines at once.
type Miner struct {
	cfg    Config
	next   TemplateID
	groups map[TemplateID]*group
	exact  map[string]*group          // masked line -> its group; also remembers lines matched by wildcards
	leaves map[leafKey][]*group       // templates that hold wildcards in word places, for lines not seen before
	kin    map[uint64]map[*group]bool // masked line with one place left out -> templates that differ there only
	alias  map[TemplateID]TemplateID
	recent *list.List // of *group, the most recently seen first
	seed   maphash.Seed
	buf    []byte
}

type group struct {
	Template
	tokens []string
	key    string
	keys   []string // of Miner.exact that lead here, key among them
	kin    []uint64
	names  []TemplateID // merged into this one
	place  *list.Element
}

type leafKey struct {
	tokens int
	first  string
}

// New returns an empty miner.
func New(cfg Config) *Miner {
	m := &Miner{cfg: cfg.withDefaults(), seed: maphash.MakeSeed()}
	m.groups, m.exact = map[TemplateID]*group{}, map[string]*group{}
	m.leaves, m.kin = map[leafKey][]*group{}, map[uint64]map[*group]bool{}
	m.alias, m.recent = map[TemplateID]TemplateID{}, list.New()
	return m
}

// Add assigns one record, which may hold several lines when it is a stack trace, and returns its template. Later lines
// may show that two templates are one: Resolve tells.
func (m *Miner) Add(line string) TemplateID {
	m.buf = mask(m.buf[:0], head(line, m.cfg.MaxBytes), m.cfg.MaxTokens)
	g, ok := m.exact[string(m.buf)]
	if !ok {
		key := string(m.buf)
		tokens := strings.Split(key, " ")
		if g = m.match(tokens); g != nil {
			m.remember(key, g)
		} else {
			g = m.grow(m.insert(key, tokens))
		}
	}
	g.Count++
	if len(g.Exemplars) < m.cfg.Exemplars {
		g.Exemplars = append(g.Exemplars, clip(line, m.cfg.MaxBytes))
	}
	m.recent.MoveToFront(g.place)
	return g.ID
}

// Resolve follows a template that was merged into another. An id that was dropped resolves to itself.
func (m *Miner) Resolve(id TemplateID) TemplateID {
	if to, ok := m.alias[id]; ok {
		return to
	}
	return id
}

// Template returns the template that the id stands for now, and false when it was dropped.
func (m *Miner) Template(id TemplateID) (Template, bool) {
	g, ok := m.groups[m.Resolve(id)]
	if !ok {
		return Template{}, false
	}
	return g.Template, true
}

// Templates returns every template, the most frequent first.
func (m *Miner) Templates() []Template {
	out := make([]Template, 0, len(m.groups))
	for _, g := range m.groups {
		out = append(out, g.Template)
	}
	sortTemplates(out)
	return out
}

// match finds a template whose wildcards cover the line.
func (m *Miner) match(tokens []string) *group {
	for _, g := range m.leaves[leafOf(tokens)] {
		if covers(g.tokens, tokens) {
			return g
		}
	}
	return nil
}

func covers(template, tokens []string) bool {
	for i, t := range template {
		if t != tokens[i] && t != Wildcard && !coversPart(t, tokens[i]) {
			return false
		}
	}
	return true
}

// coversPart lets key=<*> cover key=value, and [<*>] cover [value].
func coversPart(template, token string) bool {
	at := strings.Index(template, Wildcard)
	if at <= 0 || template[at-1] != '=' && strings.Trim(template[:at], openers) != "" {
		return false
	}
	before, after := template[:at], template[at+len(Wildcard):]
	return len(token) > len(before)+len(after) && strings.HasPrefix(token, before) && strings.HasSuffix(token, after)
}

func (m *Miner) remember(key string, g *group) {
	if len(m.exact) > 8*m.cfg.MaxTemplates { // forget what can be found again
		m.exact = make(map[string]*group, m.cfg.MaxTemplates)
		for _, known := range m.groups {
			m.exact[known.key], known.keys = known, append([]string(nil), known.key)
		}
	}
	if m.exact[key] != g {
		m.exact[key] = g
		g.keys = append(g.keys, key)
	}
}

func (m *Miner) insert(key string, tokens []string) *group {
	if len(m.groups) >= m.cfg.MaxTemplates {
		m.drop(m.recent.Back().Value.(*group))
	}
	m.next++
	g := &group{Template: Template{ID: m.next, Text: key}, tokens: tokens, key: key}
	m.groups[g.ID] = g
	g.place = m.recent.PushFront(g)
	m.index(g)
	return g
}

// index makes a group findable: by its text, by its leaf where it holds wildcards, and by its kin.
func (m *Miner) index(g *group) {
	m.remember(g.key, g)
	if hasWordWildcard(g.tokens) {
		leaf := leafOf(g.tokens)
		m.leaves[leaf] = append(m.leaves[leaf], g)
	}
	for i := 1; i < len(g.tokens); i++ { // the first word names the statement; it is never a variable
		if m.threshold(g.tokens[i]) == 0 {
			continue
		}
		h := m.kinHash(g.tokens, i)
		g.kin = append(g.kin, h)
		if m.kin[h] == nil {
			m.kin[h] = map[*group]bool{}
		}
		m.kin[h][g] = true
	}
}

// forget takes a group out of every index.
func (m *Miner) forget(g *group) {
	delete(m.exact, g.key)
	for _, h := range g.kin {
		delete(m.kin[h], g)
		if len(m.kin[h]) == 0 {
			delete(m.kin, h)
		}
	}
	g.kin = nil
	leaf := leafOf(g.tokens)
	for i, other := range m.leaves[leaf] {
		if other == g {
			m.leaves[leaf] = append(m.leaves[leaf][:i:i], m.leaves[leaf][i+1:]...)
			break
		}
	}
	if len(m.leaves[leaf]) == 0 {
		delete(m.leaves, leaf)
	}
}

func (m *Miner) drop(g *group) {
	m.forget(g)
	for _, key := range g.keys {
		if m.exact[key] == g {
			delete(m.exact, key)
		}
	}
	for _, id := range g.names {
		delete(m.alias, id)
	}
	delete(m.groups, g.ID)
	m.recent.Remove(g.place)
}

// grow makes a place of the new group's template a variable where enough templates differ there only, and returns the
// group that the line belongs to then.
func (m *Miner) grow(g *group) *group {
	for i := 1; i < len(g.tokens); i++ {
		need := m.threshold(g.tokens[i])
		if need == 0 {
			continue
		}
		if kin := m.kin[m.kinHash(g.tokens, i)]; len(kin) >= need {
			return m.merge(kin, i)
		}
	}
	return g
}

// merge joins templates that differ in one place into the oldest of them.
func (m *Miner) merge(kin map[*group]bool, place int) *group {
	var oldest *group
	members := make([]*group, 0, len(kin))
	for g := range kin {
		members = append(members, g)
		if oldest == nil || g.ID < oldest.ID {
			oldest = g
		}
	}
	for _, g := range members {
		m.forget(g)
		if g != oldest {
			m.absorb(oldest, g)
		}
	}
	tokens := append([]string(nil), oldest.tokens...)
	tokens[place] = generalise(tokens[place])
	m.retell(oldest, tokens)
	if same, ok := m.exact[oldest.key]; ok && same != oldest { // two roads led to one skeleton
		m.forget(same)
		m.absorb(oldest, same)
	}
	m.index(oldest)
	m.sweep(oldest)
	return m.grow(oldest)
}

// sweep takes in templates that the widened one covers now.
func (m *Miner) sweep(wide *group) {
	var covered []*group
	for _, g := range m.groups {
		if g != wide && len(g.tokens) == len(wide.tokens) && g.tokens[0] == wide.tokens[0] && covers(wide.tokens, g.tokens) {
			covered = append(covered, g)
		}
	}
	for _, g := range covered {
		m.forget(g)
		m.absorb(wide, g)
	}
}

func (m *Miner) absorb(into, g *group) {
	into.Count += g.Count
	for _, line := range g.Exemplars {
		if len(into.Exemplars) < m.cfg.Exemplars {
			into.Exemplars = append(into.Exemplars, line)
		}
	}
	for _, id := range append(g.names, g.ID) {
		m.alias[id] = into.ID
		into.names = append(into.names, id)
	}
	if limit := 4 * m.cfg.Distinct; len(into.names) > limit*64 { // ids from long ago
		for _, id := range into.names[:len(into.names)-limit*64] {
			delete(m.alias, id)
		}
		into.names = into.names[len(into.names)-limit*64:]
	}
	for _, key := range g.keys {
		if m.exact[key] == g {
			m.exact[key] = into
			into.keys = append(into.keys, key)
		}
	}
	g.keys = nil
	delete(m.groups, g.ID)
	m.recent.Remove(g.place)
}

func (m *Miner) retell(g *group, tokens []string) {
	g.tokens, g.key = tokens, strings.Join(tokens, " ")
	g.Text = g.key
}

func leafOf(tokens []string) leafKey { return leafKey{len(tokens), tokens[0]} }

// Marks that stand around a word and are no part of it.
const (
	openers = "[({<\"'"
	closers = "])}>\"',;:."
)

// generalise makes a word a variable; of key=value only the value varies, and the marks around a masked identifier stay.
func generalise(token string) string {
	if strings.Contains(token, Wildcard) {
		core := strings.TrimRight(strings.TrimLeft(strings.ReplaceAll(token, Wildcard, "\x00"), openers), closers)
		masked := strings.ReplaceAll(token, Wildcard, "\x00")
		at := strings.Index(masked, core)
		return masked[:at] + Wildcard + masked[at+len(core):]
	}
	if i := strings.IndexByte(token, '='); i > 0 && i < len(token)-1 {
		return token[:i+1] + Wildcard
	}
	return Wildcard
}

// threshold is how many templates must differ in the place of a word, and there only, for it to be a variable; 0 means
// that it never is: what is masked already is one. Identifiers that differ in the letters before their number, as blk_<*>
// and part-<*> do, are values of one variable as soon as there are two.
func (m *Miner) threshold(token string) int {
	at := strings.Index(token, Wildcard)
	switch {
	case token == "":
		return 0
	case at < 0:
		return m.cfg.Distinct
	case named(token[:at]):
		return 2
	}
	return 0
}

// named reports whether a masked word begins as an identifier of several parts does: letters joined by _ or -.
func named(prefix string) bool {
	prefix = strings.TrimLeft(prefix, openers)
	if prefix == "" || !letter(prefix[0]) {
		return false
	}
	joined := false
	for i := 1; i < len(prefix); i++ {
		mark := prefix[i] == '_' || prefix[i] == '-'
		if !mark && !letter(prefix[i]) {
			return false
		}
		joined = joined || mark
	}
	return joined
}

func hasWordWildcard(tokens []string) bool {
	for _, t := range tokens {
		if strings.Contains(t, Wildcard) {
			return true
		}
	}
	return false
}

// kinHash names the template with one place left out. Of key=value the key stays. Plain words are no kin of masked ones.
func (m *Miner) kinHash(tokens []string, place int) uint64 {
	var h maphash.Hash
	h.SetSeed(m.seed)
	for i, t := range tokens {
		if i == place {
			kind := "\x00"
			if strings.Contains(t, Wildcard) {
				kind = "\x01"
			}
			t = generalise(t) + kind
		}
		_, _ = h.WriteString(t)
		_ = h.WriteByte(' ')
	}
	return h.Sum64()
}
