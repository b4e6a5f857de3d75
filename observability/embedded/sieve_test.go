package embedded

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/fairlead/fairlead/observability"
)

func TestSieve_NeverDeniesATextThatIsThere(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		messages := rapid.SliceOfN(rapid.StringN(0, 40, -1), 1, 20).Draw(t, "messages")
		var l layer
		var fresh []uint16
		for i, message := range messages {
			fresh = l.note(int64(i), message, fresh)
		}
		message := rapid.SampledFrom(messages).Draw(t, "message")
		from := rapid.IntRange(0, len(message)).Draw(t, "from")
		text := message[from:rapid.IntRange(from, len(message)).Draw(t, "to")]
		require.True(t, l.sieve.mayHold(textBits(text)), "%q in %q", text, message)
		encoded := storedLayer(l.encode())
		require.True(t, encoded.intact())
		require.True(t, encoded.mayHold(textBits(text)))
		require.Equal(t, l.span, encoded.span())

		var again layer
		changes := encodeChange(nil, l.span, l.lines, fresh)
		again.replay(append(encodeChange(changes, span{7, 9}, 1, nil), "torn"...))
		require.Equal(t, l.sieve, again.sieve)
		require.Equal(t, l.lines+1, again.lines)
		require.Equal(t, len(fresh), l.sieve.ones())
	})
}

func TestSieve_DeniesWhatIsNotThere(t *testing.T) {
	t.Parallel()
	var l layer
	for i := range layerLines {
		l.note(int64(i), fmt.Sprintf("batch of %d scored in %d ms", i*7, i%90), nil)
	}
	require.False(t, l.sieve.mayHold(textBits("quetzalcoatl")))
	require.True(t, l.sieve.mayHold(textBits("scored in")))
	require.Empty(t, textBits("abc"), "three bytes say nothing")
}

// noon is the middle of a day on which the lines of these tests were written.
var noon = time.Date(2030, 1, 2, 12, 0, 0, 0, time.UTC)

const noonDay = "20300102"

func addLines(t *testing.T, s *sieves, at time.Time, messages ...string) {
	t.Helper()
	for i, message := range messages {
		at := at.Add(time.Duration(i) * time.Second)
		s.add(at.Format(dayLayout), at.UnixNano(), message)
	}
	require.NoError(t, s.flush())
}

func openTestSieves(t *testing.T, dir string, days ...string) *sieves {
	t.Helper()
	s, err := openSieves(dir, days, func() time.Time { return noon })
	require.NoError(t, err)
	return s
}

// found is what of the day may hold a text.
func found(s *sieves, text string) []span { return s.narrow(text).parts(dayOf(noonDay)) }

func TestSieves_NarrowToTheLinesThatMayHoldTheText(t *testing.T) {
	t.Parallel()
	s := openTestSieves(t, t.TempDir())
	filler := make([]string, layerLines)
	for i := range filler {
		filler[i] = "nothing of note"
	}
	addLines(t, s, noon.Add(-3*time.Hour), filler...)
	addLines(t, s, noon, "a needle in it")
	require.Equal(t, []span{{noon.UnixNano(), noon.UnixNano()}}, found(s, "eedle i"))
	require.Equal(t, []span{{noon.Add(-3 * time.Hour).UnixNano(), noon.Add(-3*time.Hour + (layerLines-1)*time.Second).UnixNano()}}, found(s, "nothing"))
	require.Empty(t, found(s, "haystack"))
	require.Equal(t, []span{dayOf(noonDay)}, found(s, "eed"), "a short text is looked for everywhere")
	require.Empty(t, s.narrow("needle").parts(dayOf("20300103")), "a day without lines has nothing")
}

func TestSieves_OutliveAKillAndAClose(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(*sieves) error{"kill": func(*sieves) error { return nil }, "close": (*sieves).close} {
		dir := t.TempDir()
		first := openTestSieves(t, dir)
		addLines(t, first, noon, "a needle", "some hay")
		addLines(t, first, noon.Add(time.Hour), "a thread")
		require.NoError(t, end(first), name)

		s := openTestSieves(t, dir, noonDay)
		all := []span{{noon.UnixNano(), noon.Add(time.Hour).UnixNano()}}
		require.Equal(t, all, found(s, "needle"), name)
		require.Equal(t, all, found(s, "thread"), name)
		require.Empty(t, found(s, "quetzal"), name)
		addLines(t, s, noon.Add(2*time.Hour), "a quetzal")
		require.NoError(t, s.close())
		s = openTestSieves(t, dir, noonDay)
		require.Equal(t, []span{{noon.Add(2 * time.Hour).UnixNano(), noon.Add(2 * time.Hour).UnixNano()}}, found(s, "quetzal"), name)
	}
}

func TestSieves_DaysAreReadWholeWhenNothingSureIsKnown(t *testing.T) {
	t.Parallel()
	whole := []span{dayOf(noonDay)}

	s := openTestSieves(t, t.TempDir(), noonDay)
	require.Equal(t, whole, found(s, "anything"), "the library has a day that is older than its sieve")
	addLines(t, s, noon, "a line")
	require.Equal(t, whole, found(s, "anything"))

	dir := t.TempDir()
	s = openTestSieves(t, dir)
	addLines(t, s, noon, "a line")
	require.NoError(t, os.WriteFile(filepath.Join(dir, stateName), []byte("another boot"), 0o600))
	s = openTestSieves(t, dir, noonDay)
	require.Equal(t, whole, found(s, "anything"), "the power went while lines were on their way")
	require.NoError(t, s.close())
	require.Equal(t, whole, found(openTestSieves(t, dir, noonDay), "anything"), "and that stays so")

	dir = t.TempDir()
	s = openTestSieves(t, dir)
	addLines(t, s, noon, "a line")
	require.NoError(t, s.close())
	stored, err := os.ReadFile(filepath.Join(dir, noonDay))
	require.NoError(t, err)
	stored[layerHead+5] ^= 1
	require.NoError(t, os.WriteFile(filepath.Join(dir, noonDay), stored, 0o600))
	require.Equal(t, whole, found(openTestSieves(t, dir, noonDay), "anything"), "the disk changed it")
}

func TestSieves_WhatCannotBeWrittenIsGivenUp(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := openTestSieves(t, dir)
	addLines(t, s, noon, "a line")
	require.NoError(t, s.days[noonDay].changes.Close()) // which is as good as a disk that fails
	addLines(t, s, noon, "another line")
	require.Equal(t, []span{dayOf(noonDay)}, found(s, "anything"))
	require.NoFileExists(t, filepath.Join(dir, noonDay+openSuffix))
	require.NoError(t, s.close())
	require.Equal(t, []span{dayOf(noonDay)}, found(openTestSieves(t, dir, noonDay), "anything"))
}

func TestSieves_ADroppedDayIsForgotten(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := openTestSieves(t, dir)
	addLines(t, s, noon, "a line")
	require.NoError(t, s.drop(noonDay))
	require.Empty(t, found(s, "a line"))
	require.NoError(t, s.close())
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Len(t, entries, 1, "only the state is left")
}

// TestLogs_TextIsFoundWhereverItIs compares searches with what a look at every line finds, over layers that are full,
// over the one that is not, and after the store was opened again.
func TestLogs_TextIsFoundWhereverItIs(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	open := func() *Logs {
		logs, err := OpenLogs(dir, LogOptions{FlushInterval: time.Hour})
		require.NoError(t, err)
		return logs
	}
	logs := open()
	random := rand.New(rand.NewPCG(1, 2))
	words := []string{"alpha", "beta", "gammaray", "delta-wing", "ünïcode", "x", "request", "served"}
	const rare = "quetzalcoatl"
	start := time.Now().Add(-20 * time.Hour).UTC()
	lines := make([]observability.Line, 3*layerLines+500)
	for i := range lines {
		var said []string
		for range 1 + random.IntN(4) {
			said = append(said, words[random.IntN(len(words))]+fmt.Sprint(random.IntN(500)))
		}
		if i%5003 == 17 {
			said = append(said, "pre"+rare+"post")
		}
		at := start.Add(time.Duration(i) * time.Second)
		lines[i] = observability.Line{At: at, Project: "shop", Service: "api", Source: observability.SourceRuntime, Message: strings.Join(said, " ")}
	}
	for from := 0; from < len(lines); from += 1000 {
		require.NoError(t, logs.Append(t.Context(), lines[from:min(from+1000, len(lines))]))
	}
	check := func() {
		for _, text := range []string{rare, "uetzalcoat", "ray499", "ünïc", "wing12 x", "et", "st7 be", "nowhere", "served0 served0", ""} {
			for _, backward := range []bool{false, true} {
				want := 0
				for i := range lines {
					if strings.Contains(lines[i].Message, text) {
						want++
					}
				}
				got := 0
				q := observability.LogQuery{Project: "shop", Text: text, Backward: backward, Limit: 10000}
				for {
					page, err := logs.Query(t.Context(), q)
					require.NoError(t, err)
					got += len(page.Lines)
					if q.Cursor = page.Next; page.Next == "" {
						break
					}
				}
				require.Equal(t, want, got, "%q", text)
			}
			counts, err := logs.Count(t.Context(), observability.LogQuery{Project: "shop", Text: text, From: start}, time.Hour)
			require.NoError(t, err)
			total := int64(0)
			for _, c := range counts {
				total += c.Lines
			}
			want := int64(0)
			for i := range lines {
				if strings.Contains(lines[i].Message, text) {
					want++
				}
			}
			require.Equal(t, want, total, "count of %q", text)
		}
	}
	check()
	require.NoError(t, logs.Close())
	logs = open()
	check()
	require.NoError(t, logs.Close())
}
