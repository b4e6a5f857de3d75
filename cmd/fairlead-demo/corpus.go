package main

import (
	"strconv"
	"time"

	"github.com/fairlead/fairlead/observability"
)

// The lines of the log bench: a day of twenty services, as their processes wrote them.
const (
	corpusOver = 24 * time.Hour
	services   = 20
	rareWord   = "quetzalcoatl"
	rareCount  = 10
)

// corpus writes the lines of the bench. Number and size of the corpus give the same line each time.
type corpus struct {
	from  time.Time
	step  time.Duration
	lines int
	rare  map[int]bool
}

func newCorpus(lines int) *corpus {
	c := &corpus{from: time.Now().Add(-corpusOver).Truncate(time.Second), step: corpusOver / time.Duration(lines), lines: lines, rare: map[int]bool{}}
	for i := range rareCount {
		c.rare[(2*i+1)*lines/(2*rareCount)] = true
	}
	return c
}

// A # stands for a number.
var (
	corpusPaths = []string{"/v1/predict", "/v1/embed", "/v1/users/#/items", "/healthz", "/v1/models/#"}
	corpusWords = []string{"request served", "cache miss, asking the feature store", "batch of # scored", "token refreshed for user #", "queue depth #"}
)

// dice are random numbers that depend on nothing but where they begin (splitmix64).
type dice uint64

func (d *dice) next() uint64 {
	*d += 0x9E3779B97F4A7C15
	z := uint64(*d)
	z = (z ^ z>>30) * 0xBF58476D1CE4E5B9
	z = (z ^ z>>27) * 0x94D049BB133111EB
	return z ^ z>>31
}

func (d *dice) below(n uint64) uint64 { return d.next() % n }

// number appends text with its # replaced by a number.
func (d *dice) number(dst []byte, text string, below uint64) []byte {
	for i := range len(text) {
		if text[i] == '#' {
			dst = strconv.AppendUint(append(dst, text[:i]...), d.below(below), 10)
			return append(dst, text[i+1:]...)
		}
	}
	return append(dst, text...)
}

// text is line n as a process wrote it: one in a hundred is an error, one in twenty a warning. The process gives its own
// time in milliseconds.
func (c *corpus) text(n int, buf []byte) []byte {
	d := dice(uint64(n) * 0x2545F4914F6CDD1D)
	kind := d.below(100)
	level := "info"
	switch {
	case c.rare[n]:
	case kind == 0:
		level = "error"
	case kind < 6:
		level = "warn"
	}
	buf = append(buf[:0], `{"ts":"`...)
	buf = c.at(n).AppendFormat(buf, "2006-01-02T15:04:05.000Z")
	buf = append(append(append(buf, `","level":"`...), level...), `","msg":"`...)
	switch level {
	case "error":
		buf = d.number(buf, "upstream connect error: connection refused by 10.0.7.#", 255)
	case "warn":
		buf = d.number(buf, "slow request took #ms", 5000)
	default:
		buf = d.number(buf, corpusWords[d.below(uint64(len(corpusWords)))], 10_000)
	}
	if c.rare[n] {
		buf = append(buf, " for customer "+rareWord...)
	}
	buf = d.number(append(buf, `","path":"`...), corpusPaths[d.below(uint64(len(corpusPaths)))], 100_000)
	buf = strconv.AppendUint(append(buf, `","status":`...), 200+uint64(n%3), 10)
	buf = strconv.AppendUint(append(buf, `,"took_ms":`...), d.below(300), 10)
	buf = append(buf, `,"trace_id":"`...)
	for range 2 {
		const hexDigits = "0123456789abcdef"
		half := d.next()
		for shift := 60; shift >= 0; shift -= 4 {
			buf = append(buf, hexDigits[half>>shift&15])
		}
	}
	return append(buf, `"}`...)
}

// at is when the engine got line n: in order, but not at a steady pace.
func (c *corpus) at(n int) time.Time {
	d := dice(uint64(n)*0x9FB21C651E98DF25 + 1)
	return c.from.Add(time.Duration(n)*c.step + time.Duration(d.below(uint64(c.step)))).UTC()
}

func (c *corpus) service(n int) string { return "service-" + strconv.Itoa(n%services) }

// bases are where the lines come from: line n from the one at n modulo services.
func (c *corpus) bases() []observability.Line {
	out := make([]observability.Line, services)
	for n := range out {
		out[n] = observability.Line{
			Project: benchLogs, Environment: "production", Service: c.service(n), Instance: "ins_" + c.service(n), Deploy: "dep_" + c.service(n),
			Release: 1, Source: observability.SourceRuntime, Stream: "stdout",
		}
	}
	return out
}

// rareQuery asks for the rare word in all lines.
func (c *corpus) rareQuery() observability.LogQuery {
	return observability.LogQuery{Project: benchLogs, Text: rareWord, From: c.from, To: c.from.Add(corpusOver), Limit: 100}
}

// errorsQuery asks for the last hundred errors of a service.
func (c *corpus) errorsQuery(n int) observability.LogQuery {
	return observability.LogQuery{
		Project: benchLogs, Service: c.service(n), Levels: []observability.Level{observability.LevelError},
		From: c.from, To: c.from.Add(corpusOver), Backward: true, Limit: 100,
	}
}
