package causes

import (
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
type turns struct{ up, down *regexp.Regexp }

var knobs = map[platform.Category]turns{
	platform.CategoryRateLimited:       {like(`concurren|workers|parallel|batch|rps|qps|replicas|threads|prefetch|max_`), like(`interval|delay|sleep|backoff|ttl|limit|rate|burst|average|period|every|quota`)},
	platform.CategoryPoolExhausted:     {like(`workers|threads|replicas|concurren|processes|timeout|instances|max_requests`), like(`pool|max_conn|connections|overflow|idle|maximum|max_size|size|slots`)},
	platform.CategoryOOMKilled:         {like(`batch|workers|cache|concurren|size|buffer|max|threads|heap|xmx|limit|entries|days|keep|ttl|retention`), like(`mem|heap|limit|resources`)},
	platform.CategoryMemoryLeak:        {like(`cache|size|max|entries|ttl|keep|history`), nil},
	platform.CategoryCUDAOOM:           {like(`batch|len|seq|util|context|ctx|num|max|workers|replicas|tokens|layers|concurren`), like(`parallel|gpu`)},
	platform.CategoryQueueBacklog:      {like(`batch|delay|interval|sleep|rate|publish|fan`), like(`workers|concurren|replicas|prefetch|consumers|partitions|parallel|count|threads|instances|max`)},
	platform.CategoryRetryStorm:        {like(`retr|attempt|times`), like(`timeout|backoff|delay|interval|sleep|wait|deadline`)},
	platform.CategoryLatencyRegression: {like(`page|limit|top|candidates|depth|rounds|cost|level|size|k\b|iterations|batch|delay|sleep|timeout|max`), like(`cache|ttl|pool|workers|threads|cpu|concurren|replicas|batch|limit`)},
	platform.CategoryDiskFull:          {like(`retention|max|keep|size|days|backup|segments|files|hours|interval`), like(`rotat|interval|retention|size|disk|volume|storage`)},
	platform.CategorySharedMemory:      {like(`worker|prefetch|batch|parallel`), like(`shm|shared`)},
	platform.CategoryDescriptors:       {like(`conn|workers|clients|max|keepalive|watch`), like(`nofile|ulimit|fd|limit`)},
	platform.CategorySlowStart:         {like(`workers|size|model|preload|warm`), like(`grace|period|timeout|delay|threshold|failure|startup|retries`)},
	platform.CategoryUngracefulStop:    {nil, like(`grace|drain|timeout|stop|wait|shutdown|termination`)},
	platform.CategoryHang:              {nil, like(`pool|workers|threads|concurren|timeout`)},
	platform.CategoryRequestTooLarge:   {like(`top_?k|history|chunk|context|window|tokens|limit|max|size|batch|examples|n_|k\b|documents`), like(`max|limit|size|body|tokens|context|window|len`)},
	platform.CategoryCacheStampede:     {nil, like(`ttl|expire|cache|jitter|max_?age|maxmemory|size|lifetime|seconds`)},
	platform.CategoryNoisyNeighbour:    {like(`threads|workers|parallel|cpus?|concurren|jobs|replicas|limit|quota`), like(`nice|cpus?|interval|limit|quota`)},
	platform.CategoryUpstream5xx:       {nil, like(`timeout|deadline`)},
	platform.CategoryDependency:        {nil, like(`replicas|count|instances|mem`)},
	platform.CategoryLogFlood:          {like(`sampl|level|verbos|rate`), nil},
}

var numberWord = regexp.MustCompile(`\d[\d_]*(?:\.\d+)?`)

// knobsOf pairs lines that were taken away with lines that came in their place and differ in one number only.
func knobsOf(c *candidate) []knob {
	var out []knob
	for _, d := range c.Hunks {
		if isProse(d.Path()) {
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
	a, b := numberWord.FindAllString(was, 12), numberWord.FindAllString(now, 12)
	for i := 0; i < len(a) && i < len(b); i++ {
		if a[i] == b[i] {
			continue
		}
		before, err1 := strconv.ParseFloat(strings.ReplaceAll(a[i], "_", ""), 64)
		after, err2 := strconv.ParseFloat(strings.ReplaceAll(b[i], "_", ""), 64)
		if err1 == nil && err2 == nil && before != after {
			return []knob{{name: now, before: before, after: after, line: now, file: file, hunk: h}}
		}
	}
	return nil
}

// arrow is how messages tell of a knob: "pool size 20 -> 5", "from 8 to 2 workers".
var arrow = regexp.MustCompile(`(\d[\d_.]*)\s?[a-zA-Z%]{0,4}\s*(?:->|→|=>|to)\s*(\d[\d_.]*)`)

func spoken(c *candidate) []knob {
	m := arrow.FindStringSubmatch(c.Message)
	if m == nil {
		return nil
	}
	before, err1 := strconv.ParseFloat(strings.Trim(strings.ReplaceAll(m[1], "_", ""), "."), 64)
	after, err2 := strconv.ParseFloat(strings.Trim(strings.ReplaceAll(m[2], "_", ""), "."), 64)
	if err1 != nil || err2 != nil || before == after {
		return nil
	}
	name := c.Message
	if c.Kind == platform.ChangeScale {
		name += " replicas"
	}
	return []knob{{name: name, before: before, after: after, line: firstLine(c.Message)}}
}

// touchKnobs tests the numbers that a change turned against those that bring the category.
func touchKnobs(c *candidate, category platform.Category, take func(float64, string, string, string, *Hunk)) {
	way, ok := knobs[category]
	if !ok {
		return
	}
	for _, k := range knobsOf(c) {
		grew := k.after > k.before
		if grew && says(way.up, k.name) || !grew && says(way.down, k.name) {
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
