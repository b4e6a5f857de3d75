package usage

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"

	"github.com/fairlead/fairlead/platform"
)

// rate is one thing that has a price: per is how much of it one unit is, in the numbers that amount gives.
type rate struct {
	key    string
	per    int64
	amount func(platform.Usage) int64
}

// rates are everything that has a price, in the order in which messages list them.
var rates = []rate{
	{"cpu_hour", 3600 * int64(platform.MicroOne), func(u platform.Usage) int64 { return int64(u.CPUSeconds) }},
	{"memory_gb_hour", int64(platform.MicroOne), func(u platform.Usage) int64 { return int64(u.MemoryGBHours) }},
	{"gpu_hour", int64(platform.MicroOne), func(u platform.Usage) int64 { return int64(u.GPUHours) }},
	{"egress_gb", 1e9, func(u platform.Usage) int64 { return u.EgressBytes }},
	{"build_minute", int64(platform.MicroOne), func(u platform.Usage) int64 { return int64(u.BuildMinutes) }},
	{"disk_gb_hour", int64(platform.MicroOne), func(u platform.Usage) int64 { return int64(u.DiskGBHours) }},
	{"million_requests", 1e6, func(u platform.Usage) int64 { return u.Requests }},
}

// Prices are what things cost. What has no price is free.
type Prices struct {
	Currency string
	units    map[string]platform.Micro
	projects map[string]map[string]platform.Micro
}

// Cost is what a project pays for an amount: each kind of use is rounded once, to the nearest millionth of the currency
// and of two to the even one, and the results are added.
func (p *Prices) Cost(project string, u platform.Usage) platform.Micro {
	sum := platform.Micro(0)
	for _, r := range rates {
		price, own := p.projects[project][r.key]
		if !own {
			price = p.units[r.key]
		}
		sum += price.TimesOver(r.amount(u), r.per)
	}
	return sum
}

// ParsePrices reads a price file. Its errors are invalid errors that name the line and the fix.
func ParsePrices(text string) (*Prices, error) {
	var document, more yaml.Node
	decoder := yaml.NewDecoder(strings.NewReader(text))
	if err := decoder.Decode(&document); err != nil && !errors.Is(err, io.EOF) {
		return nil, wrong(0, "", "does not parse: "+strings.TrimPrefix(err.Error(), "yaml: "), "Write it as in docs/usage.md.")
	}
	if len(document.Content) == 0 {
		return nil, wrong(1, "", "is empty", "Name a currency and prices, or remove the file.")
	}
	if err := decoder.Decode(&more); !errors.Is(err, io.EOF) {
		return nil, wrong(more.Line, "", "holds a second document", "Keep one.")
	}
	p := &Prices{projects: map[string]map[string]platform.Micro{}}
	err := mapping(document.Content[0], "", []string{"currency", "prices", "projects"}, func(key string, n *yaml.Node) error {
		switch key {
		case "currency":
			p.Currency = n.Value
			if n.Kind != yaml.ScalarNode || len(n.Value) != 3 || strings.Trim(n.Value, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") != "" {
				return wrong(n.Line, "currency", "is not a currency code", "Write three capital letters, such as EUR.")
			}
			return nil
		case "prices":
			var err error
			p.units, err = units(n, "prices")
			return err
		}
		return mapping(n, "projects", nil, func(project string, n *yaml.Node) error {
			var err error
			p.projects[project], err = units(n, "projects."+project)
			return err
		})
	})
	switch {
	case err != nil:
		return nil, err
	case p.Currency == "":
		return nil, wrong(1, "currency", "is missing", "Add a line such as currency: EUR.")
	case p.units == nil:
		return nil, wrong(1, "prices", "is missing", "Add prices, for example cpu_hour: 0.02.")
	}
	return p, nil
}

func units(n *yaml.Node, at string) (map[string]platform.Micro, error) {
	known := make([]string, len(rates))
	for i, r := range rates {
		known[i] = r.key
	}
	out := map[string]platform.Micro{}
	return out, mapping(n, at, known, func(key string, n *yaml.Node) error {
		price, err := platform.ParseMicro(n.Value)
		if n.Kind != yaml.ScalarNode || err != nil || price < 0 {
			return wrong(n.Line, at+"."+key, "is not a price", "Write a decimal number from 0 on with at most 6 places, such as 0.02.")
		}
		out[key] = price
		return nil
	})
}

// mapping reads the keys of a mapping, which are known ones where known is given and project names where it is nil.
func mapping(n *yaml.Node, at string, known []string, read func(key string, value *yaml.Node) error) error {
	if n.Kind != yaml.MappingNode {
		return wrong(n.Line, at, "is not a mapping", "Write keys and values, one a line.")
	}
	seen := map[string]bool{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key := n.Content[i]
		where := strings.TrimPrefix(at+"."+key.Value, ".")
		switch {
		case seen[key.Value]:
			return wrong(key.Line, where, "is there twice", "Keep one.")
		case known == nil && platform.CheckName("project", key.Value) != nil:
			return wrong(key.Line, where, "is not the name of a project", "Write it as `fairlead project list` shows it.")
		case known != nil && !slices.Contains(known, key.Value):
			hint := "Known are " + strings.Join(known, ", ") + "."
			if near := platform.Nearest(key.Value, known); near != "" {
				hint = "Did you mean " + near + "? " + hint
			}
			return wrong(key.Line, where, "is unknown", hint)
		}
		seen[key.Value] = true
		if err := read(key.Value, n.Content[i+1]); err != nil {
			return err
		}
	}
	return nil
}

func wrong(line int, at, what, hint string) error {
	place := "The price file"
	if line > 0 {
		place += fmt.Sprintf(", line %d", line)
	}
	if at != "" {
		place += ": " + platform.Truncate(at, 120)
	}
	return platform.Errorf(platform.CodeInvalid, "%s %s.", place, what).WithHint("%s", hint).WithField("prices")
}
