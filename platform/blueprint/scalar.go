package blueprint

import (
	"math"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"gopkg.in/yaml.v3"

	"github.com/fairlead/fairlead/platform"
)

// text reads any scalar as it is written: 1.10 stays "1.10".
func (d *decoder) text(n *yaml.Node, at, expected string) (string, bool) {
	n = d.follow(n)
	if n == nil {
		return "", false
	}
	if n.Kind != yaml.ScalarNode || isNull(n) {
		d.add(n, at, "is %s; expected %s", describe(n), expected)
		return "", false
	}
	if strings.ContainsRune(n.Value, 0) {
		d.add(n, at, "holds a zero byte; expected %s", expected)
		return "", false
	}
	return n.Value, true
}

func (d *decoder) name(n *yaml.Node, at string) string {
	name, ok := d.text(n, at, "a name")
	if !ok {
		return ""
	}
	if platform.CheckName(at, name) != nil {
		d.add(n, at, "is %s, which is not a DNS label; expected 1 to 63 lower-case letters, digits and hyphens, beginning with a letter and not ending in a hyphen", quote(name))
	}
	return name
}

// choice reads one of a closed set of words.
func (d *decoder) choice(n *yaml.Node, at string, words ...string) string {
	expected := strings.Join(words[:len(words)-1], ", ") + " or " + words[len(words)-1]
	word, ok := d.text(n, at, expected)
	if !ok || slices.Contains(words, word) {
		return word
	}
	p := d.add(n, at, "is %s; expected %s", quote(word), expected)
	if near := platform.Nearest(word, words); near != "" {
		p.hint = "Did you mean " + near + "?"
	}
	return ""
}

func (d *decoder) flag(n *yaml.Node, at string) bool {
	word, ok := d.text(n, at, "true or false")
	if ok && word != "true" && word != "false" {
		d.add(n, at, "is %s; expected true or false", quote(word))
	}
	return word == "true"
}

func (d *decoder) integer(n *yaml.Node, at string, low, high int) int {
	expected := "a whole number from " + strconv.Itoa(low) + " to " + strconv.Itoa(high)
	word, ok := d.text(n, at, expected)
	if !ok {
		return low
	}
	v, err := strconv.Atoi(word)
	if err != nil || v < low || v > high {
		d.add(n, at, "is %s; expected %s", quote(word), expected)
		return low
	}
	return v
}

func (d *decoder) cpus(n *yaml.Node, at string) float64 {
	const expected = "a number of processors above 0 and up to 1024, such as 0.5"
	word, ok := d.text(n, at, expected)
	if !ok {
		return 0
	}
	v, err := strconv.ParseFloat(word, 64)
	if err != nil || math.IsNaN(v) || v <= 0 || v > 1024 {
		d.add(n, at, "is %s; expected %s", quote(word), expected)
		return 0
	}
	return v
}

// duration reads Go's notation between two bounds, both allowed.
func (d *decoder) duration(n *yaml.Node, at string, low, high platform.Duration) platform.Duration {
	expected := "a duration from " + short(low) + " to " + short(high) + ", such as " + short(max(low, platform.Duration(5*time.Second)))
	word, ok := d.text(n, at, expected)
	if !ok {
		return low
	}
	v, err := time.ParseDuration(word)
	if err != nil || platform.Duration(v) < low || platform.Duration(v) > high {
		p := d.add(n, at, "is %s; expected %s", quote(word), expected)
		if _, err := strconv.ParseFloat(word, 64); err == nil {
			p.hint = "Add the unit: " + platform.Truncate(word, 20) + "s for seconds."
		}
		return low
	}
	return platform.Duration(v)
}

// short writes 5m0s as 5m and 24h0m0s as 24h.
func short(d platform.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

var (
	sizeText = regexp.MustCompile(`^([0-9]{1,15}(?:\.[0-9]{1,6})?)(Ki|Mi|Gi|Ti|K|M|G|T)$`)
	units    = map[string]float64{
		"K": 1e3, "M": 1e6, "G": 1e9, "T": 1e12,
		"Ki": 1 << 10, "Mi": 1 << 20, "Gi": 1 << 30, "Ti": 1 << 40,
	}
)

// size reads an amount of memory into bytes. A bare number is refused: nobody remembers whether it is bytes.
func (d *decoder) size(n *yaml.Node, at string, low int64) int64 {
	expected := "an amount of memory from " + formatBytes(low) + " with its unit (Ki, Mi, Gi, K, M or G), such as 512Mi"
	word, ok := d.text(n, at, expected)
	if !ok {
		return 0
	}
	m := sizeText.FindStringSubmatch(word)
	if m == nil {
		d.add(n, at, "is %s; expected %s", quote(word), expected)
		return 0
	}
	v, err := strconv.ParseFloat(m[1], 64)
	bytes := v * units[m[2]]
	if err != nil || bytes < float64(low) || bytes > 1<<50 {
		d.add(n, at, "is %s; expected %s", quote(word), expected)
		return 0
	}
	return int64(bytes)
}

func formatBytes(b int64) string {
	for _, u := range []string{"Ti", "Gi", "Mi", "Ki"} {
		if one := int64(units[u]); b >= one && b%one == 0 {
			return strconv.FormatInt(b/one, 10) + u
		}
	}
	return strconv.FormatInt(b, 10) + " bytes"
}

// argv reads a command as its arguments. One string is refused: it would need a shell to split it.
func (d *decoder) argv(n *yaml.Node, at string) []string {
	const expected = "a list of arguments, such as [python, main.py]"
	items := d.sequence(n, at, expected)
	if items == nil {
		return nil
	}
	args := make([]string, 0, len(items))
	for i, item := range items {
		if arg, ok := d.text(item, index(at, i), "one argument"); ok {
			args = append(args, arg)
		}
	}
	if len(items) == 0 || len(args) > 0 && args[0] == "" {
		d.add(n, at, "names no program; expected %s", expected)
	}
	return args
}

var envName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// variables reads a mapping of names to scalars, such as env and buildArgs.
func (d *decoder) variables(n *yaml.Node, at string) map[string]string {
	pairs, ok := d.pairs(n, at, "a mapping of names to values, such as {LOG_LEVEL: info}")
	if !ok {
		return nil
	}
	vars := make(map[string]string, len(pairs))
	for _, p := range pairs {
		d.checkEnvName(p.key, at, p.key.Value)
		value, ok := d.text(p.value, child(at, p.key.Value), `a value; write "" for an empty one`)
		if ok {
			vars[p.key.Value] = value
		}
	}
	return vars
}

func (d *decoder) checkEnvName(n *yaml.Node, at, name string) {
	if !envName.MatchString(name) {
		d.add(n, at, "has the name %s; expected letters, digits and underscores, not beginning with a digit", quote(name))
	}
}

// within reads a path of the repository, relative to base, and returns it relative to the root.
func (d *decoder) within(n *yaml.Node, at, base string) string {
	const expected = "a path inside the repository, such as services/api"
	word, ok := d.text(n, at, expected)
	if !ok {
		return "."
	}
	joined := path.Join(base, word)
	if word == "" || path.IsAbs(word) || strings.Contains(word, "\\") || joined == ".." || strings.HasPrefix(joined, "../") {
		d.add(n, at, "is %s; expected %s", quote(word), expected)
		return "."
	}
	return joined
}
