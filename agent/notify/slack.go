package notify

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"

	"github.com/slack-go/slack"

	"github.com/fairlead/fairlead/platform"
)

// Slack's limits are higher; a message for people is shorter.
const maxSlackText = 2900

// slackGone are answers after which this token never sends again.
var slackGone = []string{"account_inactive", "token_revoked", "invalid_auth", "not_authed", "token_expired"}

// postSlack posts a message, or updates the one that is there about the incident: what people read is always how it
// stands. A server that ends between Slack's answer and its record posts once more.
func (s *Sender) postSlack(ctx context.Context, n platform.Notice) platform.Receipt {
	options := []slack.Option{slack.OptionHTTPClient(s.http)}
	if s.o.SlackURL != "" {
		options = append(options, slack.OptionAPIURL(s.o.SlackURL))
	}
	api := slack.New(n.Secret, options...)
	m := render(n)
	text := escape(m.title)
	content := []slack.MsgOption{
		slack.MsgOptionText(text, false), slack.MsgOptionBlocks(blocks(m)...),
		slack.MsgOptionDisableLinkUnfurl(), slack.MsgOptionDisableMediaUnfurl(), slack.MsgOptionParse(false),
	}
	if channel, ts, ok := strings.Cut(n.Thread, "/"); ok && n.Incident != nil {
		_, _, _, err := api.UpdateMessageContext(ctx, channel, ts, content...)
		if !isSlack(err, "message_not_found", "cant_update_message", "edit_window_closed") {
			return slackReceipt(err, "")
		}
		s.o.Log.Info("a message about an incident cannot be updated; a new one is posted", "incident", n.Incident.ID, "error", err)
	}
	channel, ts, err := api.PostMessageContext(ctx, n.Channel.SlackChannel, content...)
	if err != nil || n.Incident == nil {
		return slackReceipt(err, "")
	}
	return slackReceipt(nil, channel+"/"+ts)
}

func isSlack(err error, codes ...string) bool {
	var refused slack.SlackErrorResponse
	return errors.As(err, &refused) && slices.Contains(codes, refused.Err)
}

func slackReceipt(err error, thread string) platform.Receipt {
	if err == nil {
		return platform.Receipt{OK: true, Status: http.StatusOK, Words: "ok", Thread: thread}
	}
	var limited *slack.RateLimitedError
	if errors.As(err, &limited) {
		return platform.Receipt{Status: http.StatusTooManyRequests, Words: "Slack asks for a pause.", RetryAfter: limited.RetryAfter}
	}
	var status slack.StatusCodeError
	if errors.As(err, &status) {
		return platform.Receipt{Status: status.Code, Words: plain(status.Error(), 300)}
	}
	r := lost(err)
	r.Gone = isSlack(err, slackGone...)
	return r
}

// escape takes from text what Slack reads as a mention, a channel or a link.
func escape(text string) string {
	return strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;").Replace(text)
}

// blocks are text only, and verbatim: Slack makes no link and no mention of what somebody else wrote.
func blocks(m message) []slack.Block {
	section := func(text string) slack.Block {
		return slack.NewSectionBlock(slack.NewTextBlockObject(slack.MarkdownType, platform.Truncate(text, maxSlackText), false, true), nil, nil)
	}
	out := []slack.Block{section("*" + bare(m.title) + "*")}
	if lines := append(slices.Clone(m.lines), m.rows...); len(lines) > 0 {
		for i := range lines {
			lines[i] = bare(lines[i])
		}
		out = append(out, section(strings.Join(lines, "\n")))
	}
	if len(m.commands) > 0 {
		out = append(out, section("```"+escape(strings.Join(m.commands, "\n"))+"```"))
	}
	return out
}

// bare is escaped text without the marks of Slack's formatting, which could draw what looks like a part of the message.
func bare(text string) string {
	return escape(strings.NewReplacer("*", "∗", "`", "'", "~", "∼").Replace(text))
}
