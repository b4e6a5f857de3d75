package notify

import (
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/slack-go/slack/slacktest"
	"github.com/stretchr/testify/require"

	"github.com/fairlead/fairlead/platform"
)

// workspace is slack-go's own test server, with chat.update, and keeps what was asked.
type workspace struct {
	*slacktest.Server
	mu     sync.Mutex
	asked  []url.Values
	paths  []string
	answer string // instead of the good one
}

func newWorkspace(t *testing.T) *workspace {
	t.Helper()
	w := &workspace{}
	w.Server = slacktest.NewTestServer(func(c slacktest.Customize) {
		for _, path := range []string{"/chat.postMessage", "/chat.update"} {
			c.Handle(path, w.take)
		}
	})
	w.Start()
	t.Cleanup(w.Stop)
	return w
}

func (w *workspace) take(rw http.ResponseWriter, r *http.Request) {
	raw, _ := io.ReadAll(r.Body)
	values, _ := url.ParseQuery(string(raw))
	w.mu.Lock()
	defer w.mu.Unlock()
	w.asked, w.paths = append(w.asked, values), append(w.paths, r.URL.Path)
	switch w.answer {
	case "":
		_, _ = io.WriteString(rw, `{"ok":true,"channel":"C024BE91L","ts":"1767225600.000100"}`)
	case "ratelimited":
		rw.Header().Set("Retry-After", "30")
		rw.WriteHeader(http.StatusTooManyRequests)
	default:
		_, _ = io.WriteString(rw, `{"ok":false,"error":"`+w.answer+`"}`)
	}
}

func (w *workspace) sender() *Sender {
	return New(Options{Guard: loopback, SlackURL: w.GetAPIURL()})
}

func slackNotice(kind platform.EventKind) platform.Notice {
	n := notice(kind)
	n.Channel.Kind, n.Channel.SlackChannel, n.Secret = platform.ChannelSlack, "#ops", "xoxb-not-a-real-token"
	return n
}

func TestSlack_OneMessagePerIncidentIsUpdated(t *testing.T) {
	t.Parallel()
	w := newWorkspace(t)
	s := w.sender()
	opened := slackNotice(platform.EventIncidentOpened)
	r := s.Send(t.Context(), opened)
	require.True(t, r.OK, r.Words)
	require.Equal(t, "C024BE91L/1767225600.000100", r.Thread)
	resolved := slackNotice(platform.EventIncidentResolved)
	resolved.Thread = r.Thread
	resolved.Incident.State, resolved.Incident.Resolution = platform.IncidentResolved, "release 1 is back"
	again := s.Send(t.Context(), resolved)
	require.True(t, again.OK, again.Words)
	require.Empty(t, again.Thread)
	require.Equal(t, []string{"/chat.postMessage", "/chat.update"}, w.paths)
	require.Equal(t, "#ops", w.asked[0].Get("channel"))
	require.Equal(t, "1767225600.000100", w.asked[1].Get("ts"))
	require.Contains(t, w.asked[1].Get("text"), "[resolved] shop/production/api")
	require.Contains(t, w.asked[1].Get("blocks"), "release 1 is back")
	require.Contains(t, w.asked[0].Get("blocks"), "fairlead approve plan_1")
	require.NotContains(t, w.asked[0].Get("blocks")+w.asked[0].Get("text"), "xoxb-")
}

func TestSlack_NothingUntrustedIsAMentionOrALink(t *testing.T) {
	t.Parallel()
	w := newWorkspace(t)
	n := slackNotice(platform.EventIncidentOpened)
	n.Incident.Title, n.Events[0].Summary, n.Diagnosis.Summary = hostile, hostile, hostile
	require.True(t, w.sender().Send(t.Context(), n).OK)
	require.Equal(t, "none", w.asked[0].Get("parse"))
	require.Equal(t, "false", w.asked[0].Get("unfurl_links"))
	require.Equal(t, "false", w.asked[0].Get("unfurl_media"))
	require.NotContains(t, w.asked[0].Get("text"), "<")
	var blocks []struct {
		Text struct {
			Text     string `json:"text"`
			Verbatim bool   `json:"verbatim"`
		} `json:"text"`
	}
	require.NoError(t, json.Unmarshal([]byte(w.asked[0].Get("blocks")), &blocks))
	require.Len(t, blocks, 3)
	for _, b := range blocks {
		require.NotContains(t, b.Text.Text, "<")
		require.True(t, b.Text.Verbatim)
	}
	require.Contains(t, blocks[1].Text.Text, "&lt;!channel&gt;")
}

func TestSlack_RefusalsMeanWhatTheySay(t *testing.T) {
	t.Parallel()
	w := newWorkspace(t)
	s := w.sender()
	w.answer = "ratelimited"
	r := s.Send(t.Context(), slackNotice(platform.EventIncidentOpened))
	require.Equal(t, 30*time.Second, r.RetryAfter)
	require.False(t, r.OK)
	w.answer = "token_revoked"
	require.True(t, s.Send(t.Context(), slackNotice(platform.EventIncidentOpened)).Gone)
	w.answer = "channel_not_found"
	r = s.Send(t.Context(), slackNotice(platform.EventIncidentOpened))
	require.False(t, r.OK || r.Gone)
	require.Contains(t, r.Words, "channel_not_found")
	require.NotContains(t, r.Words, "xoxb-")
}
