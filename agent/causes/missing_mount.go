package causes

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/fairlead/fairlead/platform"
)

// absentPath is how programs say that a file or a folder is not there, or may not be written, with its path.
var absentPath = regexp.MustCompile(`(?i)(?:no such file or directory|ENOENT|FileNotFound|NoSuchFile|cannot find the path|does not exist|not found)[^\n]{0,60}?['":, (](/[\w./-]{2,200})|(?:open|stat|access|scandir|mkdir) ['"]?(/[\w./-]{2,200})['"]?: no such file or directory`)

// findMissingMount explains a service that misses what was on a disk which its release has no more.
func findMissingMount(f *Facts) Found {
	if f.Difference == nil || f.Previous == nil || f.Previous.Spec.Disk == nil {
		return Found{}
	}
	lost := *f.Previous.Spec.Disk
	if now := f.Spec.Disk; now != nil && now.MountPath == lost.MountPath && now.Name == lost.Name {
		return Found{}
	}
	for _, w := range f.words() {
		for _, m := range absentPath.FindAllStringSubmatch(w.text, 8) {
			path := m[1] + m[2]
			if path == lost.MountPath || strings.HasPrefix(path, strings.TrimSuffix(lost.MountPath, "/")+"/") {
				return explainMount(f, lost, strings.TrimSpace(m[0]), path, w.cite)
			}
		}
	}
	return Found{}
}

func explainMount(f *Facts, lost platform.DiskSpec, quote, path string, cite platform.EvidenceID) Found {
	c := platform.Cause{Service: f.Incident.Service, Score: 0.8}
	c.Claims = withClaims(claim(fmt.Sprintf("It misses %s.", path), quote, cite))
	for _, changed := range f.Difference.ChangedSpec {
		if strings.HasPrefix(changed, "disk: ") {
			c.Claims = append(c.Claims, withClaims(claim(fmt.Sprintf("The release before had the disk %s at %s.", lost.Name, lost.MountPath), changed, f.Difference.Cite))...)
		}
	}
	m := Mechanism{Names: []string{lost.MountPath, lost.Name}}
	var out Found
	if guilty, ok := f.Guilty(m); ok {
		c.Change, c.Location, c.Score = guilty.asChange(f), guilty.location(), c.Score+0.1*guilty.Score
		c.Claims = append(c.Claims, withClaims(guilty.claim())...)
		out.RuledOut = f.acquit(guilty.Commit, "the disk "+lost.Name, m)
	}
	c.Summary = fmt.Sprintf("%s misses %s: the disk %s, which release v%d had at %s, is not mounted%s.", subject(f), path, lost.Name, f.Previous.Number, lost.MountPath, broughtBy(c.Change))
	out.Causes = []platform.Cause{c}
	return out
}
