package platform

import "strings"

// MaxNameLength is the longest name of a project, environment or service: one DNS label.
const MaxNameLength = 63

// CheckName returns an invalid error that names the field unless name is a DNS label:
// 1 to 63 lower-case letters, digits and hyphens, beginning with a letter and not ending in a hyphen (RFC 1035).
func CheckName(field, name string) error {
	bad := name == "" || len(name) > MaxNameLength || name[0] < 'a' || name[0] > 'z' || strings.HasSuffix(name, "-")
	for i := 0; i < len(name) && !bad; i++ {
		c := name[i]
		bad = (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-'
	}
	if !bad {
		return nil
	}
	return Errorf(CodeInvalid, "%s %q is not a DNS label.", field, Truncate(name, 80)).
		WithHint("Use 1 to 63 lower-case letters, digits and hyphens, beginning with a letter and not ending in a hyphen.").
		WithField(field)
}

// Nearest returns the candidate closest to name by edit distance, or "" when none is within a third of its length
// (at least two edits). Faces use it to say "did you mean".
func Nearest(name string, candidates []string) string {
	best, bestDistance := "", max(2, len(name)/3)+1
	for _, c := range candidates {
		if d := editDistance(strings.ToLower(name), strings.ToLower(c)); d < bestDistance {
			best, bestDistance = c, d
		}
	}
	return best
}

func editDistance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := 1; i <= len(a); i++ {
		previous := row[0]
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			previous, row[j] = row[j], min(row[j]+1, row[j-1]+1, previous+cost)
		}
	}
	return row[len(b)]
}

// Truncate returns s cut to at most n bytes on a rune boundary, with "..." in place of what was cut.
func Truncate(s string, n int) string {
	if len(s) <= n {
		return s
	}
	cut := max(0, n-3)
	for cut > 0 && s[cut]&0xC0 == 0x80 {
		cut--
	}
	return s[:cut] + "..."
}
