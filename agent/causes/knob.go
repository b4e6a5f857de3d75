package causes

import (
	"math"
	"regexp"
	"strconv"
	"strings"

	"github.com/fairlead/fairlead/platform"
)

// knob is a number that a change turned: a limit, a count, a time.
type knob struct {
	name          string
	before, after float64
	line          string // as it is now
	file          string
	hunk          *Hunk
}

// turns says which way a knob must be turned to bring a category: the names of those that do harm when they grow, and of
// those that do harm when they shrink.
// Of those in spares more is no harm, whatever else their names hold.
type turns struct{ up, down, spares *regexp.Regexp }

var knobs = map[platform.Category]turns{
	platform.CategoryRateLimited:       {like(`concurren|workers|parallel|batch|rps|qps|replicas|threads|prefetch|max_`), like(`interval|delay|sleep|backoff|ttl|limit|rate|burst|average|period|every|quota`), nil},
	platform.CategoryPoolExhausted:     {like(`workers|threads|replicas|concurren|processes|(?:statement|transaction|idle|query|lock|lease|lifetime)\w*.?timeout|instances|max_requests`), like(`pool|max_conn|connections|overflow|idle|maximum|max_size|size|slots`), nil},
	platform.CategoryOOMKilled:         {like(`batch|workers|cache|concurren|size|buffer|max|threads|heap|xmx|limit|entries|days|keep|ttl|retention`), like(`mem|heap|limit|resources`), nil},
	platform.CategoryMemoryLeak:        {like(`cache|size|max|entries|ttl|keep|history`), nil, nil},
	platform.CategoryCUDAOOM:           {like(`batch|len|seq|util|context|ctx|num|max|workers|replicas|tokens|layers|concurren`), like(`parallel|gpu`), nil},
	platform.CategoryQueueBacklog:      {like(`batch|delay|interval|sleep|rate|publish|fan`), like(`workers|concurren|replicas|prefetch|consumers|partitions|parallel|count|threads|instances|max`), nil},
	platform.CategoryRetryStorm:        {like(`retr|attempt|times`), like(`timeout|backoff|delay|interval|sleep|wait|deadline`), nil},
	platform.CategoryLatencyRegression: {like(`page|limit|top|candidates|depth|rounds|cost|level|size|k\b|iterations|batch|delay|sleep|max`), like(`cache|ttl|pool|workers|threads|cpu|concurren|replicas|batch|limit`), like(`pool|threads|workers|conn|cache|ttl|cpu|mem|replicas|buffer`)},
	platform.CategoryDiskFull:          {like(`retention|max|keep|size|days|backup|segments|files|hours|interval`), like(`rotat|interval|retention|size|disk|volume|storage`), nil},
	platform.CategorySharedMemory:      {like(`worker|prefetch|batch|parallel`), like(`shm|shared`), nil},
	platform.CategoryDescriptors:       {like(`conn|workers|clients|max|keepalive|watch`), like(`nofile|ulimit|fd|limit`), nil},
	platform.CategorySlowStart:         {like(`workers|size|model|preload|warm`), like(`grace|period|timeout|delay|threshold|failure|startup|retries`), nil},
	platform.CategoryUngracefulStop:    {nil, like(`grace|drain|stop|shutdown|terminat|kill.?(?:after|timeout)|timeout.?stop|pre.?stop|wait.?before`), nil},
	platform.CategoryHang:              {nil, like(`pool|workers|threads|concurren|timeout`), nil},
	platform.CategoryRequestTooLarge:   {like(`top_?k|history|chunk|context|window|tokens|messages|turns|body|payload|upload|batch|few.?shot|examples|n_results|documents|passages|\bk\b`), like(`body|payload|upload|tokens|context|window|model.?len|header|message.?(?:size|bytes|max)|max.?(?:len|size|bytes|message|request)|(?:size|request|receive|send).?(?:limit|max)|limit`), nil},
	platform.CategoryCacheStampede:     {nil, like(`ttl|expire|cache|jitter|max_?age|maxmemory|size|lifetime|seconds`), nil},
	platform.CategoryNoisyNeighbour:    {like(`threads|workers|parallel|cpus?|concurren|jobs|replicas|limit|quota`), like(`nice|cpus?|interval|limit|quota`), nil},
	platform.CategoryUpstream5xx:       {nil, like(`timeout|deadline`), nil},
	platform.CategoryDependency:        {nil, like(`replicas|count|instances|mem`), nil},
	platform.CategoryLogFlood:          {like(`sampl|level|verbos|rate`), nil, nil},
}

// numberWord is a number with the unit that it may have.
var numberWord = regexp.MustCompile(`(\d[\d_]*(?:\.\d+)?)((?:ms|us|ns|sec|min|[KMGTkmgt]i?[Bb]?|s|h|d)\b)?`)

// units are what the units of time and of memory stand for; "m" is a minute beside other times, else a million.
var units = map[string]float64{"ns": 1e-9, "us": 1e-6, "ms": 1e-3, "s": 1, "sec": 1, "min": 60, "h": 3600, "d": 86400}

// quantity reads a number with its unit; beside is the unit of the number it is compared with.
func quantity(number, unit, beside string) (float64, bool) {
	v, err := strconv.ParseFloat(strings.Trim(strings.ReplaceAll(number, "_", ""), "."), 64)
	if err != nil {
		return 0, false
	}
	if by, ok := units[unit]; ok {
		return v * by, true
	}
	if _, time := units[beside]; time && unit == "m" {
		return 60 * v, true
	}
	if unit != "" {
		v *= math.Pow(1024, float64(1+strings.IndexByte("kmgt", unit[0]|0x20)))
	}
	return v, true
}

// knobsOf pairs lines that were taken away with lines that came in their place and differ in one number only.
func knobsOf(c *candidate) []knob {
	var out []knob
	for _, d := range c.Hunks {
		if isProse(d.Path()) || isManifest(d.Path()) { // versions are no limits
			continue
		}
		for i := range d.Hunks {
			h := &d.Hunks[i]
			gone := map[string]string{}
			for _, l := range h.Lines {
				text := strings.TrimSpace(l.Text)
				switch shape := numberWord.ReplaceAllString(text, "#"); l.Op {
				case '-':
					gone[shape] = text
				case '+':
					if was, ok := gone[shape]; ok {
						out = append(out, turned(was, text, d.Path(), h)...)
					}
				}
			}
		}
	}
	return append(out, spoken(c)...)
}

func turned(was, now, file string, h *Hunk) []knob {
	a, b := numberWord.FindAllStringSubmatch(was, 12), numberWord.FindAllStringSubmatch(now, 12)
	for i := 0; i < len(a) && i < len(b); i++ {
		if a[i][0] == b[i][0] {
			continue
		}
		before, ok1 := quantity(a[i][1], a[i][2], b[i][2])
		after, ok2 := quantity(b[i][1], b[i][2], a[i][2])
		if ok1 && ok2 && before != after {
			return []knob{{name: now, before: before, after: after, line: now, file: file, hunk: h}}
		}
	}
	return nil
}

// arrow is how messages tell of a knob: "pool size 20 -> 5", "from 8 to 2 workers", "timeout 5s -> 50ms".
var arrow = regexp.MustCompile(`(\d[\d_.]*)(ms|us|ns|sec|min|[KMGTkmgt]i?[Bb]?\b|s\b|h\b|d\b)?\s?[a-zA-Z%]{0,7}\s*(?:->|→|=>|to)\s*(\d[\d_.]*)(ms|us|ns|sec|min|[KMGTkmgt]i?[Bb]?\b|s\b|h\b|d\b)?`)

func spoken(c *candidate) []knob {
	m := arrow.FindStringSubmatch(c.Message)
	if m == nil {
		return nil
	}
	before, ok1 := quantity(m[1], m[2], m[4])
	after, ok2 := quantity(m[3], m[4], m[2])
	if !ok1 || !ok2 || before == after {
		return nil
	}
	name := c.Message
	if c.Kind == platform.ChangeScale {
		name += " replicas"
	}
	return []knob{{name: name, before: before, after: after, line: firstLine(c.Message)}}
}

// touchKnobs tests the numbers that a change turned against those that bring the category. Of a change to what the failing
// service only calls, those that grew are no reason why it is asked for more.
func touchKnobs(c *candidate, category platform.Category, called bool, take func(float64, string, string, string, *Hunk)) {
	way, ok := knobs[category]
	if !ok {
		return
	}
	if called && callersBring(category) {
		way.up = nil
	}
	for _, k := range knobsOf(c) {
		grew := k.after > k.before
		if grew && says(way.up, k.name) && !says(way.spares, k.name) || !grew && says(way.down, k.name) {
			verb := "lowered"
			if grew {
				verb = "raised"
			}
			score := 0.78
			if ratio := k.after / k.before; k.before > 0 && (ratio >= 2 || ratio <= 0.5) {
				score = 0.86
			}
			take(score, "it "+verb+" a limit from "+amount(k.before)+" to "+amount(k.after), k.line, k.file, k.hunk)
		}
	}
}

// turnsAway reports whether all that a change does is to turn numbers, none of them in the way that brings the category, and at
// least one in the way that helps against it.
func turnsAway(c *candidate, category platform.Category) bool {
	way, ok := knobs[category]
	if !ok {
		return false
	}
	turned := knobsOf(c)
	helps := 0
	for _, k := range turned {
		grew := k.after > k.before
		if grew && says(way.up, k.name) && !says(way.spares, k.name) || !grew && says(way.down, k.name) {
			return false
		}
		if k.before != 0 && k.after != 0 && (grew && says(way.down, k.name) || !grew && says(way.up, k.name)) { // none often means no limit
			helps++
		}
	}
	lines := 0
	for _, d := range c.Hunks {
		for _, h := range d.Hunks {
			for _, l := range h.Lines {
				if l.Op == '+' && !isProse(d.Path()) {
					lines++
				}
			}
		}
	}
	return helps > 0 && lines <= len(turned)
}
