package loki

import (
	"maps"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/grafana/loki/pkg/push"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/fairlead/fairlead/observability"
)

// anyText draws texts with what is special to Loki, to label sets and to us.
func anyText() *rapid.Generator[string] {
	return rapid.OneOf(rapid.String(), rapid.StringMatching(`[_Zaf0-9.\x1a\x{fffd}"\\{}|=~\n]{0,12}`), rapid.SampledFrom([]string{"", "__x__", "Z5f", "a__b", "none", "\x1a2", "\ufffd", "user.id"}))
}

func anyLine(t *rapid.T) observability.Line {
	l := observability.Line{
		At: time.Unix(rapid.Int64Range(1, 4e9).Draw(t, "at"), rapid.Int64Range(0, 999_999_999).Draw(t, "nanos")), Project: anyText().Draw(t, "project"), Environment: anyText().Draw(t, "environment"),
		Service: anyText().Draw(t, "service"), Release: rapid.IntRange(0, 100).Draw(t, "release"), Deploy: anyText().Draw(t, "deploy"),
		Instance: anyText().Draw(t, "instance"), Source: anyText().Draw(t, "source"), Stream: rapid.SampledFrom([]string{"", "stdout", "stderr"}).Draw(t, "stream"),
		Level: rapid.SampledFrom(observability.Levels).Draw(t, "level"), Message: anyText().Draw(t, "message"), Raw: anyText().Draw(t, "raw"),
		Fields: rapid.MapOfN(anyText(), anyText(), 0, 6).Draw(t, "fields"), Seq: rapid.Uint64().Draw(t, "seq"), Truncated: rapid.Bool().Draw(t, "truncated"),
	}
	if rapid.Bool().Draw(t, "joined") {
		l.EndAt, l.EndSeq = l.At.Add(time.Second), rapid.Uint64().Draw(t, "end")
	}
	return l
}

// asLoki does to an entry's metadata what Loki's distributor does: names are rewritten, the replacement character goes.
func asLoki(t require.TestingT, meta map[string]string) map[string]string {
	out := make(map[string]string)
	for name, value := range meta {
		name = regexp.MustCompile(`[^a-zA-Z0-9]+`).ReplaceAllString(name, "_")
		_, twice := out[name]
		require.False(t, twice, "two names became %s", name)
		out[name] = strings.ReplaceAll(value, "\ufffd", "")
	}
	return out
}

func TestEntry_LineComesBackAsItsNormalForm(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		want := anyLine(t).Normal()
		entry, cut := (&writer{limits: &serverLimits{}}).entry(&want)
		require.False(t, cut)
		names := streamNames{}
		require.Equal(t, streamOf(&want), names.of(&want))
		labels, err := parseLabels(names.of(&want), maxReceiveLabels)
		require.NoError(t, err)
		require.LessOrEqual(t, len(labels), 5)
		meta := make(map[string]string)
		for _, m := range entry.StructuredMetadata {
			meta[m.Name] = m.Value
		}
		require.Len(t, meta, len(entry.StructuredMetadata))
		got := lineOf(labels, entry.Timestamp, entry.Line, asLoki(t, meta))
		if len(want.Fields) == 0 {
			want.Fields = nil
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("lines differ (-want +got):\n%s", diff)
		}
		// A server that answers metadata among the labels.
		maps.Copy(labels, meta)
		require.Empty(t, cmp.Diff(want, lineOf(labels, entry.Timestamp, entry.Line, nil)))
	})
}

func TestEntry_AWriterOfManyMixesNothingUp(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		lines := rapid.SliceOfN(rapid.Custom(anyLine), 1, 40).Draw(t, "lines")
		w := writer{limits: &serverLimits{}}
		var together, alone []push.Entry
		for i := range lines {
			lines[i] = lines[i].Normal()
			entry, _ := w.entry(&lines[i])
			together = append(together, entry)
		}
		for i := range lines {
			entry, _ := (&writer{limits: &serverLimits{}}).entry(&lines[i])
			alone = append(alone, entry)
		}
		require.Equal(t, alone, together)
	})
}

func TestEntry_FieldNamesAreReadableAndNeverTwoAlike(t *testing.T) {
	t.Parallel()
	require.Equal(t, "f_user_id", fieldName("user_id"))
	require.Equal(t, "f_userZ2eid", fieldName("user.id"))
	rapid.Check(t, func(t *rapid.T) {
		a, b := anyText().Draw(t, "a"), anyText().Draw(t, "b")
		require.Equal(t, a == b, fieldName(a) == fieldName(b))
		require.Regexp(t, `^f_([a-zA-Z0-9]|_[a-zA-Z0-9])*_?$`, fieldName(a))
		require.Equal(t, escapeValue(a) == escapeValue(b), a == b)
		require.Equal(t, a, unescapeValue(escapeValue(a)))
	})
}

func TestEntry_ForeignMetadataIsLeftOut(t *testing.T) {
	t.Parallel()
	got := lineOf(map[string]string{"project": "shop", "service_name": "api", "job": "x"}, time.Unix(1, 0), "text",
		map[string]string{"detected_level": "error", "f_": "x", "f_Z": "x", "f_Zzz": "x", "seq": "none", "end_at": "never"})
	require.Equal(t, observability.Line{At: time.Unix(1, 0).UTC(), Project: "shop", Message: "text"}, got)
}

func TestEntry_IsCutToTheLimitsThatTheServerNamed(t *testing.T) {
	t.Parallel()
	l := observability.Line{
		At: time.Unix(1, 0), Project: "shop", Message: strings.Repeat("世", 100), Raw: strings.Repeat("r", 100), Seq: 3,
		Fields: map[string]string{"big": strings.Repeat("b", 60), "small": "s", "tiny": "t"},
	}
	var limits serverLimits
	require.True(t, lower(&limits.line, 100))
	require.False(t, lower(&limits.line, 200), "a limit is never raised")
	require.True(t, lower(&limits.metadata, 60))
	entry, cut := (&writer{limits: &limits}).entry(&l)
	require.True(t, cut)
	require.Len(t, entry.Line, 99)
	var names []string
	size := 0
	for _, m := range entry.StructuredMetadata {
		names = append(names, m.Name)
		size += len(m.Name) + len(m.Value)
	}
	require.Equal(t, []string{"seq", "f_small", "f_tiny", "truncated"}, names)
	require.LessOrEqual(t, size, 60)

	lower(&limits.count, 3)
	entry, _ = (&writer{limits: &limits}).entry(&l)
	require.Len(t, entry.StructuredMetadata, 3)
}
