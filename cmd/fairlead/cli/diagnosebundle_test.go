package cli

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestDiagnose_ABundleNeedsNoServer(t *testing.T) {
	t.Parallel()
	b := setup(t)
	dir := filepath.Join(b.dir, "incident")
	require.NoError(t, os.MkdirAll(dir, 0o755))
	for name, text := range map[string]string{
		"incident.json": `{"id":"i1","title":"uploads fail","service":"wiki","signal":"error_rate","detected_at":"2026-03-01T10:05:00Z"}`,
		"logs.ndjson": `{"ts":"2026-03-01T09:30:00Z","service":"wiki","level":"info","msg":"GET / 200"}
{"ts":"2026-03-01T10:01:00Z","service":"wiki","level":"error","msg":"Error: EACCES: permission denied, open '/data/files/a'"}
{"ts":"2026-03-01T10:02:00Z","service":"wiki","level":"error","msg":"Error: EACCES: permission denied, open '/data/files/b'"}`,
		"changes.ndjson": `{"ts":"2026-03-01T09:58:00Z","kind":"commit","id":"abcdef12","service":"wiki","message":"run as a user that is not root","files":["Dockerfile"],"diff":"--- a/Dockerfile\n+++ b/Dockerfile\n@@ -8,1 +8,2 @@\n COPY . .\n+USER 10001\n"}`,
	} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600))
	}
	b.env["FAIRLEAD_URL"] = "http://127.0.0.1:1" // nobody listens there
	var got map[string]any
	require.NoError(t, json.Unmarshal([]byte(b.ok("diagnose", "--bundle", "incident", "--output", "json")), &got))
	require.Equal(t, "cause", got["verdict"])
	require.Equal(t, "volume_permission", got["category"])
	require.Equal(t, "wiki", got["service"])
	require.Equal(t, "abcdef12", got["change"])
	for _, key := range []string{"causes", "blast_radius", "propagation", "ruled_out", "gaps", "evidence"} {
		require.IsType(t, []any{}, got[key], key)
	}
	require.IsType(t, map[string]any{}, got["action"])
	require.IsType(t, 0.0, got["duration_ms"])
	require.Contains(t, b.ok("diagnose", "--bundle", "incident"), "USER 10001")

	require.Equal(t, 4, b.run("diagnose", "--bundle", "nowhere").code)
	require.Equal(t, 2, b.run("diagnose", "--bundle", "incident", "inc_01").code)
	require.Equal(t, 2, b.run("diagnose").code)
}

func TestIncidentExport_WhatItWritesIsExplainedWithNoServer(t *testing.T) {
	t.Parallel()
	b := setup(t)
	require.Contains(t, b.ok("incident", "export", "inc_01", "exported"), "1 lines")
	for _, name := range []string{"incident.json", "logs.ndjson", "evidence.ndjson"} {
		require.FileExists(t, filepath.Join(b.dir, "exported", name))
	}
	require.Equal(t, 5, b.run("incident", "export", "inc_01", "exported").code, "a bundle is never written over")
	b.env["FAIRLEAD_URL"] = "http://127.0.0.1:1" // nobody listens there
	require.Contains(t, b.ok("diagnose", "--bundle", "exported", "--output", "json"), `"verdict"`)
}
