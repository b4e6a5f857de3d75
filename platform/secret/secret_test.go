package secret

import (
	"encoding/base64"
	"encoding/json"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/fairlead/fairlead/platform"
)

func setup(t *testing.T) *Sealer {
	t.Helper()
	s, err := Open(filepath.Join(t.TempDir(), "key"))
	require.NoError(t, err)
	return s
}

func TestOpen_MakesAKeyThatOnlyTheOwnerReads(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "state", "key")
	s, err := Open(path)
	require.NoError(t, err)
	info, err := os.Stat(path)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode().Perm())
	sealed, err := s.Seal("value", "place")
	require.NoError(t, err)
	again, err := Open(path)
	require.NoError(t, err)
	value, err := again.Open(sealed, "place")
	require.NoError(t, err)
	require.Equal(t, "value", value)
}

func TestOpen_TwoServersAtOnceUseOneKey(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "key")
	ids := make([]string, 8)
	var wg sync.WaitGroup
	for i := range ids {
		wg.Go(func() {
			s, err := Open(path)
			if err != nil {
				t.Error(err)
				return
			}
			ids[i] = s.id
		})
	}
	wg.Wait()
	for _, id := range ids {
		require.Equal(t, ids[0], id)
	}
}

func TestOpen_KeyThatOthersMayReadIsRefused(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "key")
	_, err := Open(path)
	require.NoError(t, err)
	require.NoError(t, os.Chmod(path, 0o644))
	_, err = Open(path)
	require.Equal(t, platform.CodeDenied, platform.CodeOf(err))
}

func TestSeal_AnyValueComesBackAndOnlyInItsPlace(t *testing.T) {
	t.Parallel()
	s := setup(t)
	rapid.Check(t, func(t *rapid.T) {
		value, place := rapid.String().Draw(t, "value"), rapid.String().Draw(t, "place")
		sealed, err := s.Seal(value, place)
		require.NoError(t, err)
		require.True(t, IsSealed(sealed))
		got, err := s.Open(sealed, place)
		require.NoError(t, err)
		require.Equal(t, value, got)
		_, err = s.Open(sealed, place+"x")
		require.Error(t, err)
	})
}

func TestSeal_ChangedOrForeignFormIsRefused(t *testing.T) {
	t.Parallel()
	s, other := setup(t), setup(t)
	sealed, err := s.Seal("value", "place")
	require.NoError(t, err)
	_, err = other.Open(sealed, "place")
	require.ErrorContains(t, err, "was sealed with the key "+s.id)
	for _, bad := range []string{"", "plain", "fls1.x", sealed[:len(sealed)-4], "fls1." + s.id + ".AAAA", sealed[:len(sealed)-1] + "!"} {
		_, err := s.Open(bad, "place")
		require.Error(t, err, bad)
	}
}

func TestRedactor_LongestValueFirstAndShortOnesLeft(t *testing.T) {
	t.Parallel()
	r := NewRedactor(map[string]string{"PASS": "hunter2", "LONG": "hunter2-and-more", "SHORT": "abc", "": "nameless"})
	require.Equal(t, "a [redacted:LONG] b [redacted:PASS] abc [redacted]", r.Redact("a hunter2-and-more b hunter2 abc nameless"))
}

func TestRedactor_LinesOfAKeyAreRedactedOneByOne(t *testing.T) {
	t.Parallel()
	r := NewRedactor(map[string]string{"CERT": "first-line\nsecond-line\n"})
	require.Equal(t, "x [redacted:CERT]", r.Redact("x second-line"))
}

func TestRedactor_EncodedFormsOfAValueAreRedacted(t *testing.T) {
	t.Parallel()
	const value = "p\"a\\s<s&w\u00f6rd/+ 99 and a tail that makes it long enough"
	plain, err := json.Marshal(map[string]string{"key": value})
	require.NoError(t, err)
	nested, err := json.Marshal(map[string]string{"body": string(plain)})
	require.NoError(t, err)
	for name, text := range map[string]string{
		"json":        string(plain),
		"nested json": string(nested),
		"quoted":      strconv.Quote(value),
		"query":       "https://example.com/?k=" + url.QueryEscape(value),
		"path":        "https://example.com/" + url.PathEscape(value),
		"base64":      base64.StdEncoding.EncodeToString([]byte(value)),
		"base64 line": base64.StdEncoding.EncodeToString([]byte(value + "\n")),
		"base64 url":  base64.RawURLEncoding.EncodeToString([]byte("x" + value)),
		"basic auth":  "Authorization: Basic " + base64.StdEncoding.EncodeToString([]byte("ab:"+value)),
		"basic auth2": "Authorization: Basic " + base64.StdEncoding.EncodeToString([]byte("a:"+value)),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			out := NewRedactor(map[string]string{"KEY": value}).Redact(text)
			require.Contains(t, out, "[redacted:KEY]")
			require.Less(t, len(out), len(text)-len(value)/2)
		})
	}
}

func TestRedactor_ValueOfSeveralLinesIsRedactedInOneJSONText(t *testing.T) {
	t.Parallel()
	r := NewValueRedactor([]string{"first-line\nsecond-line"})
	require.Equal(t, `{"key":"[redacted]"}`, r.Redact(`{"key":"first-line\nsecond-line"}`))
}

func TestRedact_ShapesOfCredentials(t *testing.T) {
	t.Parallel()
	alnum := strings.Repeat("a1B2", 10)
	for name, c := range map[string]struct{ in, want string }{
		"fairlead":    {"token flt_" + alnum, "token [redacted]"},
		"bearer":      {"Authorization: Bearer " + alnum, "Authorization: Bearer [redacted]"},
		"aws id":      {"key AKIAABCDEFGHIJKLMNOP.", "key [redacted]."},
		"aws secret":  {"AWS_SECRET_ACCESS_KEY=" + alnum, "AWS_SECRET_ACCESS_KEY=[redacted]"},
		"openai":      {"sk-proj-" + alnum, "[redacted]"},
		"github":      {"ghp_" + alnum, "[redacted]"},
		"slack":       {"xoxb-123456789-" + alnum, "[redacted]"},
		"huggingface": {"hf_" + alnum, "[redacted]"},
		"dsn":         {"dial postgres://app:s3cret@db:5432/x", "dial postgres://app:[redacted]@db:5432/x"},
		"pem":         {"a -----BEGIN RSA PRIVATE KEY-----\nMII\n-----END RSA PRIVATE KEY----- b", "a [redacted] b"},
		"cut pem":     {"-----BEGIN PRIVATE KEY-----\nMIIabc", "[redacted]"},
		"plain url":   {"GET https://example.com:8080/a?b=c@d", "GET https://example.com:8080/a?b=c@d"},
		"plain":       {"the high ghost asks", "the high ghost asks"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, c.want, Redact(c.in))
		})
	}
}

func FuzzRedactor_NoValueSurvives(f *testing.F) {
	f.Add("hunter2", "x hunter2 y")
	f.Add("redacted", "redacted [redacted]")
	f.Fuzz(func(t *testing.T, value, text string) {
		if len(strings.TrimSpace(value)) < MinLength || strings.ContainsAny(value, "\n") || strings.Contains("[redacted:KEY]", strings.TrimSpace(value)) {
			return
		}
		out := NewRedactor(map[string]string{"KEY": value}).replacer.Replace(text)
		rest := strings.ReplaceAll(out, "[redacted:KEY]", "\x00")
		if strings.Contains(rest, strings.TrimSpace(value)) {
			t.Fatalf("%q is still in %q", value, out)
		}
	})
}

func BenchmarkRedact_OrdinaryLine(b *testing.B) {
	r := NewRedactor(map[string]string{"A": "hunter2-and-more", "B": "another-secret"})
	line := `{"level":"info","msg":"request served","path":"/predict","took_ms":12.5}`
	for b.Loop() {
		r.Redact(line)
	}
}
