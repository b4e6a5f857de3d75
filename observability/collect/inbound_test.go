package collect_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/fairlead/fairlead/observability"
	"github.com/fairlead/fairlead/observability/collect"
	"github.com/fairlead/fairlead/observability/observabilitytest"
	"github.com/fairlead/fairlead/platform"
	"github.com/fairlead/fairlead/platform/secret"
)

func shopRedactor(string) func(string) string {
	return secret.NewRedactor(map[string]string{"TOKEN": "s3cr3t-of-the-shop"}).Redact
}

func sent(text string, fields map[string]string) observability.Line {
	return observability.Line{
		At: time.Unix(1_700_000_000, 0).UTC(), Project: "shop", Environment: "production", Service: "api", Source: observability.SourceRuntime, Message: text, Fields: fields,
	}
}

func TestInbound_SentLinesAreReadAsThoseOfAContainer(t *testing.T) {
	t.Parallel()
	var stored observabilitytest.MemoryLogs
	hub := observability.NewHub()
	live, err := hub.Subscribe(observability.LogQuery{Project: "shop"}, 10)
	require.NoError(t, err)
	defer live.Close()
	in := collect.NewInbound(&stored, hub, shopRedactor)
	graver := sent("nothing in the text says so", map[string]string{"traceID": "4bf92f3577b34da6a3ce929d0e0e4736", "host": "web-1"})
	graver.Level = observability.LevelError
	require.NoError(t, in.Append(t.Context(), []observability.Line{
		sent(`{"level":"warn","msg":"slow","user":"ada","host":"its own"}`, map[string]string{"host": "web-1", "job": "tail"}),
		sent("\x1b[31mERROR\x1b[0m it broke", nil),
		graver,
	}))
	got := stored.All()
	require.Len(t, got, 3)
	type seen struct {
		Level   observability.Level
		Message string
		Fields  map[string]string
	}
	var all []seen
	for _, l := range got {
		all = append(all, seen{l.Level, l.Message, l.Fields})
	}
	require.Empty(t, cmp.Diff([]seen{
		{observability.LevelWarn, "slow", map[string]string{"user": "ada", "host": "its own", "job": "tail"}},
		{observability.LevelError, "ERROR it broke", nil},
		{observability.LevelError, "nothing in the text says so", map[string]string{"trace_id": "4bf92f3577b34da6a3ce929d0e0e4736", "host": "web-1"}},
	}, all))
	require.NotEqual(t, got[0].Seq, got[1].Seq, "lines of one time are told apart")
	for range 3 {
		require.NotEmpty(t, (<-live.Lines()).Message)
	}
}

func TestInbound_SecretsNeverReachTheStoreOrALiveReader(t *testing.T) {
	t.Parallel()
	var stored observabilitytest.MemoryLogs
	hub := observability.NewHub()
	live, err := hub.Subscribe(observability.LogQuery{Project: "shop"}, 100)
	require.NoError(t, err)
	defer live.Close()
	in := collect.NewInbound(&stored, hub, shopRedactor)
	key := []string{"-----BEGIN RSA PRIVATE KEY-----", "MIIEpAIBAAKCAQEA0Z3VS5JJcds3xfn" + strings.Repeat("A", 30), "-----END RSA PRIVATE KEY-----"}
	lines := []observability.Line{
		sent("login with s3cr3t-of-the-shop", map[string]string{"auth": "s3cr3t-of-the-shop", "s3cr3t-of-the-shop": "name"}),
		sent(`{"msg":"x","token":"s3cr3t-of-the-shop"}`, nil),
		sent("AKIAIOSFODNN7EXAMPLE is a key of AWS", map[string]string{"password": "correct-horse-battery"}),
	}
	for _, text := range key {
		lines = append(lines, sent(text, nil))
	}
	require.NoError(t, in.Append(t.Context(), lines))
	for _, l := range stored.All() {
		for _, hidden := range []string{"s3cr3t", "AKIAIOSFODNN7EXAMPLE", "correct-horse", "MIIEpAIBAAKCAQEA"} {
			text := l.Message + l.Raw
			for name, value := range l.Fields {
				text += name + value
			}
			require.NotContains(t, text, hidden)
		}
		require.Equal(t, l, <-live.Lines(), "what is shown is what is stored")
	}
}

func TestInbound_NothingIsTakenWhileSecretsCannotBeRead(t *testing.T) {
	t.Parallel()
	var stored observabilitytest.MemoryLogs
	in := collect.NewInbound(&stored, nil, func(string) func(string) string { return nil })
	err := in.Append(t.Context(), []observability.Line{sent("x", nil)})
	require.Equal(t, platform.CodeUnavailable, platform.CodeOf(err))
	require.Empty(t, stored.All())
}
