package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestBadInput_ChannelsThatCannotBeAreRefusedByFieldAndNothingIsAdded(t *testing.T) {
	t.Parallel()
	r := setup(t)
	name, g := r.project(t, "  - {name: api, type: worker, image: none}\n")
	key := filepath.Join(t.TempDir(), "key")
	require.NoError(t, os.WriteFile(key, []byte(strings.Repeat("k", 32)), 0o600))
	for words, given := range map[string][]string{
		"The webhook http://hooks.example.org is not https.":     {"webhook", "ops", "--to-url", "http://hooks.example.org/x"},
		"Notifications cannot go to 169.254.169.254":             {"webhook", "ops", "--to-url", "https://169.254.169.254/latest/meta-data"},
		"Did you mean \"incident.opened\"?":                      {"webhook", "ops", "--to-url", "https://127.0.0.1/x", "--events", "incident.opend"},
		"\"Mars/Base\" is not a time zone.":                      {"webhook", "ops", "--to-url", "https://127.0.0.1/x", "--quiet", "22:00-07:00", "--time-zone", "Mars/Base"},
		"\"Ops\" is not a DNS label":                             {"webhook", "Ops", "--to-url", "https://127.0.0.1/x"},
		"A Slack channel needs a bot token":                      {"slack", "ops", "--to", "#ops"},
		"is not a mail address":                                  {"email", "ops", "--to", "On Call <a@b.example>", "--from", "f@example.org", "--server", "127.0.0.1:25"},
		"Mail is sent unprotected to a server on this host only": {"email", "ops", "--to", "a@example.org", "--from", "f@example.org", "--server", "mail.example.org:25", "--security", "none"},
		"The secret file cannot be read":                         {"webhook", "ops", "--to-url", "https://127.0.0.1/x", "--secret-file", "/none"},
	} {
		args := append([]string{"notify", "add"}, given...)
		args = append(args, "--project", name)
		if given[len(given)-1] != "/none" {
			args = append(args, "--secret-file", key)
		}
		said := r.refused(t, 2, g.dir, args...)
		require.Contains(t, said, words)
		require.Contains(t, said, "Fix:", words)
	}
	list, err := r.client.ListChannels(t.Context(), name)
	require.NoError(t, err)
	require.Empty(t, list.Items)
	require.Contains(t, r.refused(t, 4, g.dir, "notify", "test", "chn_none"), "chn_none")
}
