package blueprint

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fairlead/fairlead/platform"
)

func TestParsePolicy_GoodTextsAreTheGoldens(t *testing.T) {
	t.Parallel()
	eachFile(t, "policy/good", func(t *testing.T, path string, text []byte) {
		p, err := ParsePolicy(text)
		require.NoError(t, err)
		out, err := json.MarshalIndent(p, "", "  ")
		require.NoError(t, err)
		golden(t, strings.TrimSuffix(path, ".yaml")+".json", string(out)+"\n")
		var again platform.Policy
		require.NoError(t, json.Unmarshal(out, &again))
		require.Equal(t, *p, again, "it is kept as JSON")
	})
}

func TestParsePolicy_BadTextsSayWhereAndWhatWasExpected(t *testing.T) {
	t.Parallel()
	eachFile(t, "policy/bad", func(t *testing.T, path string, text []byte) {
		p, err := ParsePolicy(text)
		require.Nil(t, p)
		var e *platform.Error
		require.ErrorAs(t, err, &e)
		require.Equal(t, platform.CodeInvalid, e.Code)
		require.Regexp(t, `^policy, line \d+, column \d+: .*\.$`, e.Message)
		golden(t, strings.TrimSuffix(path, ".yaml")+".txt", e.Message+"\n"+e.Hint+"\n")
	})
}

func TestParsePolicy_TheExampleOfTheGuideIsGood(t *testing.T) {
	t.Parallel()
	guide, err := os.ReadFile(filepath.Join("..", "..", "docs", "agent.md"))
	require.NoError(t, err)
	_, rest, found := strings.Cut(string(guide), "```yaml\n")
	require.True(t, found)
	text, _, _ := strings.Cut(rest, "```")
	p, err := ParsePolicy([]byte(text))
	require.NoError(t, err)
	require.Len(t, p.Rules, 2)
}

func TestParsePolicy_SizeIsLimited(t *testing.T) {
	t.Parallel()
	_, err := ParsePolicy([]byte("{}\n#" + strings.Repeat("x", platform.MaxPolicySize)))
	require.ErrorContains(t, err, "a policy may have 65536")
}

func FuzzParsePolicy(f *testing.F) {
	f.Add([]byte("rules: [{name: a, approvals: 1}]"))
	f.Add([]byte("freezes: [{name: a, from: fri 17:00, to: mon 07:00}]"))
	f.Fuzz(func(t *testing.T, text []byte) {
		p, err := ParsePolicy(text)
		if (p == nil) == (err == nil) {
			t.Fatal("it is valid or it is not")
		}
	})
}
