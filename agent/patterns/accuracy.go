package patterns

// GroupingAccuracy is the share of lines whose template holds exactly the lines that have their label, of a new miner with
// the one configuration that all sources have. It is 1 for no lines; labels are as many as lines.
func GroupingAccuracy(lines, labels []string) float64 {
	if len(lines) == 0 {
		return 1
	}
	m := New(Config{})
	ids := make([]TemplateID, len(lines))
	for i, line := range lines {
		ids[i] = m.Add(line)
	}
	type pair struct {
		label string
		id    TemplateID
	}
	labelSize, groupSize, both := map[string]int{}, map[TemplateID]int{}, map[pair]int{}
	for i, label := range labels {
		ids[i] = m.Resolve(ids[i])
		labelSize[label]++
		groupSize[ids[i]]++
		both[pair{label, ids[i]}]++
	}
	right := 0
	for i, label := range labels {
		if n := both[pair{label, ids[i]}]; n == labelSize[label] && n == groupSize[ids[i]] {
			right++
		}
	}
	return float64(right) / float64(len(ids))
}
