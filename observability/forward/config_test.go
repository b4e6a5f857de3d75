package forward

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fairlead/fairlead/observability"
	"github.com/fairlead/fairlead/platform"
)

func TestParse_AFileNamesReceivers(t *testing.T) {
	t.Parallel()
	ca := newAuthority(t)
	ca.issue(t, "client")
	got, err := Parse([]byte(`
forward:
  - name: siem
    kind: syslog
    url: tls://logs.example.com:6514
    tls: {ca: ca.pem, certificate: client.pem, key: client.key, server_name: logs}
    filter: {project: shop, service: api, level: warn}
  - name: otel
    kind: otlp
    url: https://otel.example.com/custom/v1/logs
    token_file: client.key
  - {name: grafana, kind: loki, url: "http://127.0.0.1:3100", tenant: acme}
`), ca.dir)
	require.NoError(t, err)
	require.Equal(t, []Receiver{
		{
			Name: "siem", Kind: KindSyslog, URL: address(t, "tls://logs.example.com:6514"),
			TLS:    TLS{CA: ca.path("ca.pem"), Certificate: ca.path("client.pem"), Key: ca.path("client.key"), ServerName: "logs"},
			Filter: Filter{Project: "shop", Service: "api", Level: observability.LevelWarn},
		},
		{Name: "otel", Kind: KindOTLP, URL: address(t, "https://otel.example.com/custom/v1/logs"), TokenFile: ca.path("client.key")},
		{Name: "grafana", Kind: KindLoki, URL: address(t, "http://127.0.0.1:3100"), Tenant: "acme"},
	}, got)
}

func TestLoad_NoFileAndAnEmptyOneNameNoReceivers(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), FileName)
	for range 2 {
		got, err := Load(path)
		require.NoError(t, err)
		require.Empty(t, got)
		require.NoError(t, os.WriteFile(path, []byte("# none yet\n"), 0o600))
	}
}

func TestParse_MistakesAreNamedWithTheirLineAndTheFix(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "text"), []byte("no PEM"), 0o600))
	const head = "forward:\n  - name: a\n    kind: syslog\n"
	for _, c := range []struct{ text, message, hint string }{
		{"forwards: []", `line 1, column 1: "forwards" is not a key`, "Did you mean forward?"},
		{"forward: {}", "line 1, column 10: forward must be a list", "- name:"},
		{"- a", "line 1, column 1: a mapping is expected", "Expected: forward."},
		{"forward:\n  - [", "is not YAML", "Check"},
		{"forward:\n  - nmae: a", `line 2, column 5: "nmae" is not a key`, "Did you mean name?"},
		{"forward:\n  - name: a", "line 2, column 5: a receiver has no kind", "name, kind and url"},
		{"forward:\n  - name: a\n    name: b", "line 3, column 5: name is given twice", "Keep one"},
		{"forward:\n  - name:\n    kind: otlp", "line 2, column 10: a value is expected", "leave the key out"},
		{"forward:\n  - {name: A_b, kind: otlp, url: 'http://h'}", `"A_b" is not a name`, "lower-case"},
		{"forward:\n  - {name: a, kind: kafka, url: 'http://h'}", `no kind of receiver "kafka"`, "syslog, otlp or loki"},
		{head + "    url: logs.example.com:514", `line 4, column 10: "logs.example.com:514" is not the URL of a syslog receiver`, "tcp:// or tls://"},
		{head + "    url: udp://h:514", "line 4, column 10", "tcp:// or tls://"},
		{head + "    url: tls://h", "needs a port", "tls://h:6514"},
		{head + "    url: tcp://u:p@h:1", "no user and password", "token_file"},
		{head + "    url: tcp://h:1\n    tls: {server_name: x}", "line 5, column 10: tls is given", "tls://"},
		{head + "    url: tls://h:1\n    tls: {ca: missing.pem}", "line 5, column 15: there is no file " + dir + "/missing.pem", "path of a file"},
		{head + "    url: tls://h:1\n    tls: {ca: text}", "holds no PEM certificate", "PEM"},
		{head + "    url: tls://h:1\n    tls: {certificate: text}", "needs both certificate and key", "Add the other"},
		{head + "    url: tcp://h:1\n    token_file: text", "syslog knows no token", "client certificate"},
		{head + "    url: tcp://h:1\n    tenant: x", "only Loki has tenants", "Remove"},
		{head + "    url: tcp://h:1\n    filter: {levle: warn}", `line 5, column 14: "levle" is not a key`, "Did you mean level?"},
		{head + "    url: tcp://h:1\n    filter: {level: loud}", `no level "loud"`, "debug, info, warn"},
		{head + "    url: tcp://h:1\n  - {name: a, kind: syslog, url: 'tcp://h:1'}", `two receivers called "a"`, "name of its own"},
	} {
		got, err := Parse([]byte(c.text), dir)
		require.Empty(t, got, c.text)
		var refused *platform.Error
		require.True(t, errors.As(err, &refused), "%s: %v", c.text, err)
		require.Equal(t, platform.CodeInvalid, refused.Code)
		require.Contains(t, refused.Message, FileName)
		require.Contains(t, refused.Message, c.message, c.text)
		require.Contains(t, refused.Hint, c.hint, c.text)
	}
}

func FuzzParse(f *testing.F) {
	f.Add("forward:\n  - {name: a, kind: syslog, url: 'tcp://h:1', filter: {level: warn}}")
	f.Add("forward: &a\n  - *a")
	f.Fuzz(func(t *testing.T, text string) {
		if _, err := Parse([]byte(text), t.TempDir()); err != nil {
			require.Equal(t, platform.CodeInvalid, platform.CodeOf(err))
		}
	})
}
