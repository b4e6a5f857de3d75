package eval

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/fairlead/fairlead/agent/patterns"
	"github.com/fairlead/fairlead/platform"
)

// Grouping is how well the template miner grouped one labelled sample.
type Grouping struct {
	Name    string
	Lines   int
	Content float64  // of what each line says, without its head
	Whole   *float64 // of the whole lines; nil where they do not lie beside the labels
}

const labelledSuffix = "_structured.csv"

// Groupings scores the template miner on every labelled sample of a folder: x.log_structured.csv with the columns Content and
// EventId, and x.log beside it with the whole lines. The error is of code not_found when the folder has none.
func Groupings(dir string) ([]Grouping, error) {
	files, err := filepath.Glob(filepath.Join(dir, "*"+labelledSuffix))
	if err != nil {
		return nil, fmt.Errorf("list labelled samples: %w", err)
	}
	if len(files) == 0 {
		return nil, platform.Errorf(platform.CodeNotFound, "There is no labelled sample in %s.", dir).WithHint("It needs files x.log_structured.csv with the columns Content and EventId.")
	}
	var out []Grouping
	for _, file := range files {
		g, err := grouping(file)
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", filepath.Base(file), err)
		}
		out = append(out, g)
	}
	return out, nil
}

func grouping(file string) (Grouping, error) {
	g := Grouping{Name: strings.TrimSuffix(filepath.Base(file), labelledSuffix)}
	f, err := os.Open(file)
	if err != nil {
		return g, err
	}
	defer f.Close()
	rows, err := csv.NewReader(f).ReadAll()
	if err != nil {
		return g, err
	}
	if len(rows) == 0 {
		return g, errors.New("it is empty")
	}
	content, label := slices.Index(rows[0], "Content"), slices.Index(rows[0], "EventId")
	if content < 0 || label < 0 {
		return g, errors.New("it has no column Content or no column EventId")
	}
	var said, labels []string
	for _, row := range rows[1:] {
		said, labels = append(said, row[content]), append(labels, row[label])
	}
	g.Lines, g.Content = len(said), patterns.GroupingAccuracy(said, labels)
	raw, err := os.ReadFile(strings.TrimSuffix(file, labelledSuffix))
	if errors.Is(err, fs.ErrNotExist) {
		return g, nil
	}
	if err != nil {
		return g, err
	}
	whole := strings.Split(strings.TrimRight(string(raw), "\r\n"), "\n")
	if len(whole) != len(labels) {
		return g, fmt.Errorf("%d lines lie beside %d labels", len(whole), len(labels))
	}
	accuracy := patterns.GroupingAccuracy(whole, labels)
	g.Whole = &accuracy
	return g, nil
}

// MeanGrouping is the mean of both readings over the samples. whole is nil where no sample has its whole lines.
func MeanGrouping(all []Grouping) (content float64, whole *float64) {
	sum, n := 0.0, 0
	for _, g := range all {
		content += g.Content / float64(len(all))
		if g.Whole != nil {
			sum, n = sum+*g.Whole, n+1
		}
	}
	if n > 0 {
		sum /= float64(n)
		whole = &sum
	}
	return content, whole
}
