package cli

import (
	"context"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/fairlead/fairlead/platform"
	"github.com/fairlead/fairlead/platform/client"
)

func (a *app) notifyCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "notify", Aliases: []string{"notifications"}, Short: "Send what happens to webhooks, Slack and mail"}
	add := &cobra.Command{Use: "add", Short: "Add a channel"}
	add.AddCommand(a.notifyWebhookCommand(), a.notifySlackCommand(), a.notifyEmailCommand())
	cmd.AddCommand(a.notifyListCommand(), add, a.notifyTestCommand(), a.notifyEnableCommand(), a.notifyDisableCommand(), a.notifyRemoveCommand(), a.notifyLogCommand())
	return cmd
}

func (a *app) notifyListCommand() *cobra.Command {
	return &cobra.Command{
		Use: "list", Aliases: []string{"ls"}, Short: "List channels; secrets are never shown", Args: args(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			l, err := call(cmd.Context(), a, func(ctx context.Context, c *client.Client) (platform.List[platform.Channel], error) {
				return c.ListChannels(ctx, a.project)
			})
			if err != nil || a.json() {
				return a.result(l, err)
			}
			var rows [][]string
			for _, c := range l.Items {
				rows = append(rows, []string{
					string(c.ID), c.Name, firstOf(c.Project, "(all)"), string(c.Kind), oneLine(c.Target(), 50), a.channelState(c), oneLine(strings.Join(c.Filter.Kinds, ","), 60),
				})
			}
			a.listed(rows, "Nothing is notified. Add a channel with: fairlead notify add webhook", "CHANNEL", "NAME", "PROJECT", "KIND", "TO", "STATE", "EVENTS")
			return nil
		},
	}
}

func (a *app) channelState(c platform.Channel) string {
	switch {
	case !c.Enabled:
		return a.out.red("disabled")
	case c.FailingSince != nil:
		return a.out.yellow("failing")
	}
	return a.out.green("on")
}

// channelFlags are what every kind of channel takes.
type channelFlags struct {
	req                   platform.CreateChannelRequest
	dedup                 time.Duration
	installation          bool
	secretFile            string
	quiet, zone, severity string
	days                  []string
	holdCritical          bool
}

func (f *channelFlags) on(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.BoolVar(&f.installation, "installation", false, "events of every project, and of none (default this project)")
	flags.StringVar(&f.secretFile, "secret-file", "", "file with the secret (default standard input)")
	flags.StringSliceVar(&f.req.Filter.Kinds, "events", nil, "kinds, such as incident.*,deploy.failed (default incidents, failures and proposals)")
	flags.StringSliceVar(&f.req.Filter.Environments, "only-env", nil, "only these environments")
	flags.StringSliceVar(&f.req.Filter.Services, "only-service", nil, "only these services")
	flags.StringVar(&f.severity, "min-severity", "", "info, warning or critical")
	flags.StringVar(&f.quiet, "quiet", "", "quiet hours, such as 22:00-07:00; critical events pass")
	flags.StringVar(&f.zone, "time-zone", "UTC", "time zone of the quiet hours")
	flags.StringSliceVar(&f.days, "quiet-days", nil, "days on which quiet hours begin, such as sat,sun (default all)")
	flags.BoolVar(&f.holdCritical, "hold-critical", false, "hold critical events in quiet hours as well")
	flags.IntVar(&f.req.PerMinute, "per-minute", platform.DefaultPerMinute, "messages a minute; what is over comes as a digest")
	flags.DurationVar(&f.dedup, "dedup", platform.DefaultDedup.D(), "how long the same event is one message with a count")
}

// request completes what the flags say; needed tells that a secret must be given.
func (f *channelFlags) request(ctx context.Context, a *app, c *client.Client, name string, needed bool) (platform.CreateChannelRequest, error) {
	req := f.req
	dedup := platform.Duration(f.dedup)
	req.Name, req.Dedup, req.Filter.MinSeverity = name, &dedup, platform.Severity(f.severity)
	if f.quiet != "" {
		from, to, ok := strings.Cut(f.quiet, "-")
		if !ok {
			return req, platform.Errorf(platform.CodeInvalid, "--quiet cannot be %q.", f.quiet).WithHint("Write it as 22:00-07:00.")
		}
		req.Quiet = &platform.QuietHours{Zone: f.zone, From: from, To: to, Days: f.days, HoldCritical: f.holdCritical}
	}
	var err error
	if !f.installation {
		if req.Project, err = a.projectName(ctx, c); err != nil {
			return req, err
		}
	}
	if needed {
		req.Secret, err = a.channelSecret(f.secretFile)
	}
	return req, err
}

// channelSecret reads a secret from a file or standard input: an argument would show in the list of processes.
func (a *app) channelSecret(file string) (string, error) {
	if file == "" {
		return a.secret("Secret: ")
	}
	raw, err := os.ReadFile(file)
	if err != nil {
		return "", platform.Errorf(platform.CodeInvalid, "The secret file cannot be read: %v.", err).WithHint("Name a file that you can read.").WithField("secret-file")
	}
	return nonEmpty(string(raw), nil)
}

// addChannel runs one of the add commands.
func (a *app) addChannel(cmd *cobra.Command, f *channelFlags, name string, needed bool) error {
	c, err := call(cmd.Context(), a, func(ctx context.Context, c *client.Client) (platform.Channel, error) {
		req, err := f.request(ctx, a, c, name, needed)
		if err != nil {
			return platform.Channel{}, err
		}
		return c.CreateChannel(ctx, req)
	})
	if err != nil || a.json() {
		return a.result(c, err)
	}
	a.out.fields("channel", a.out.bold(string(c.ID)), "name", c.Name, "project", firstOf(c.Project, "(all)"), "kind", string(c.Kind), "to", clean(c.Target()),
		"events", strings.Join(c.Filter.Kinds, ", "))
	a.out.print("\nSee whether it arrives with: fairlead notify test %s", c.ID)
	return nil
}

func (a *app) notifyWebhookCommand() *cobra.Command {
	f := &channelFlags{req: platform.CreateChannelRequest{Kind: platform.ChannelWebhook}}
	cmd := &cobra.Command{
		Use: "webhook <name>", Short: "Add a webhook; its signing key is read from a file or standard input", Args: args("<name>"),
		Example: "  openssl rand -hex 32 | tee key | fairlead notify add webhook ops --to-url https://hooks.example.org/fairlead",
		RunE:    func(cmd *cobra.Command, given []string) error { return a.addChannel(cmd, f, given[0], true) },
	}
	f.on(cmd)
	cmd.Flags().StringVar(&f.req.URL, "to-url", "", "https URL that gets the messages (needed)")
	return cmd
}

func (a *app) notifySlackCommand() *cobra.Command {
	f := &channelFlags{req: platform.CreateChannelRequest{Kind: platform.ChannelSlack}}
	cmd := &cobra.Command{
		Use: "slack <name>", Short: "Add a Slack channel; the bot token is read from a file or standard input", Args: args("<name>"),
		Example: "  fairlead notify add slack ops --to \"#alerts\" --secret-file ./bot-token",
		RunE:    func(cmd *cobra.Command, given []string) error { return a.addChannel(cmd, f, given[0], true) },
	}
	f.on(cmd)
	cmd.Flags().StringVar(&f.req.SlackChannel, "to", "", "id or name of the Slack channel (needed)")
	return cmd
}

func (a *app) notifyEmailCommand() *cobra.Command {
	f := &channelFlags{req: platform.CreateChannelRequest{Kind: platform.ChannelEmail, Email: &platform.EmailTarget{}}}
	cmd := &cobra.Command{
		Use: "email <name>", Short: "Add mail; the SMTP password is read from a file or standard input", Args: args("<name>"),
		Example: "  fairlead notify add email on-call --to oncall@example.org --from fairlead@example.org --server mail.example.org:587 --user fairlead --secret-file ./password",
		RunE: func(cmd *cobra.Command, given []string) error {
			return a.addChannel(cmd, f, given[0], f.req.Email.Username != "")
		},
	}
	f.on(cmd)
	cmd.Flags().StringSliceVar(&f.req.Email.To, "to", nil, "addresses (needed)")
	cmd.Flags().StringVar(&f.req.Email.From, "from", "", "address of the sender (needed)")
	cmd.Flags().StringVar(&f.req.Email.Server, "server", "", "mail server, host:port (needed)")
	cmd.Flags().StringVar((*string)(&f.req.Email.Security), "security", string(platform.MailStartTLS), "starttls, tls or none")
	cmd.Flags().StringVar(&f.req.Email.Username, "user", "", "user name at the mail server (default no authentication)")
	return cmd
}

func (a *app) notifyTestCommand() *cobra.Command {
	return &cobra.Command{
		Use: "test <channel>", Short: "Send a test message now and show what the receiver said", Args: args("<channel>"),
		RunE: func(cmd *cobra.Command, given []string) error {
			d, err := call(cmd.Context(), a, func(ctx context.Context, c *client.Client) (platform.Delivery, error) {
				return c.TestChannel(ctx, platform.ChannelID(given[0]))
			})
			if err != nil {
				return err
			}
			said := platform.DeliveryTry{}
			if len(d.Attempts) > 0 {
				said = d.Attempts[len(d.Attempts)-1]
			}
			if a.json() {
				err = a.out.json(d)
			} else if said.OK {
				a.out.print("It arrived after %s: %s", said.Took, oneLine(said.Words, 200))
			}
			if err == nil && !said.OK {
				return platform.Errorf(platform.CodeUnavailable, "The test message did not arrive: %s", oneLine(said.Words, 200)).
					WithHint("Put the receiver or the channel right, and try again.")
			}
			return err
		},
	}
}

func (a *app) notifyEnableCommand() *cobra.Command {
	return a.notifySwitch("enable", "Let a channel hear of what happens from now on", true)
}

func (a *app) notifyDisableCommand() *cobra.Command {
	return a.notifySwitch("disable", "Send nothing to a channel until it is enabled again", false)
}

func (a *app) notifySwitch(use, short string, on bool) *cobra.Command {
	return &cobra.Command{
		Use: use + " <channel>", Short: short, Args: args("<channel>"),
		RunE: func(cmd *cobra.Command, given []string) error {
			c, err := call(cmd.Context(), a, func(ctx context.Context, c *client.Client) (platform.Channel, error) {
				return c.UpdateChannel(ctx, platform.UpdateChannelRequest{Channel: platform.ChannelID(given[0]), Enabled: &on})
			})
			if err != nil || a.json() {
				return a.result(c, err)
			}
			a.out.print("The channel %s is %sd.", c.Name, use)
			return nil
		},
	}
}

func (a *app) notifyRemoveCommand() *cobra.Command {
	return &cobra.Command{
		Use: "remove <channel>", Aliases: []string{"rm"}, Short: "Remove a channel with its log", Args: args("<channel>"),
		RunE: func(cmd *cobra.Command, given []string) error {
			c, err := a.client()
			if err != nil {
				return err
			}
			if err := c.DeleteChannel(cmd.Context(), platform.ChannelID(given[0])); err != nil {
				return err
			}
			if a.json() {
				return a.out.json(map[string]string{"removed": given[0]})
			}
			a.out.print("Channel %s is removed.", given[0])
			return nil
		},
	}
}

func (a *app) notifyLogCommand() *cobra.Command {
	limit := 20
	cmd := &cobra.Command{
		Use: "log <channel>", Short: "Show what was sent, and what the receiver said", Args: args("<channel>"),
		RunE: func(cmd *cobra.Command, given []string) error {
			l, err := call(cmd.Context(), a, func(ctx context.Context, c *client.Client) (platform.List[platform.Delivery], error) {
				return c.ListDeliveries(ctx, platform.ChannelID(given[0]), platform.Page{Limit: limit})
			})
			if err != nil || a.json() {
				return a.result(l, err)
			}
			var rows [][]string
			for _, d := range l.Items {
				said, next := "-", "-"
				if n := len(d.Attempts); n > 0 {
					said = oneLine(d.Attempts[n-1].Words, 60)
				}
				if d.EndedAt == nil {
					next = a.out.ago(d.DueAt)
				}
				rows = append(rows, []string{string(d.ID), a.out.ago(d.CreatedAt), string(d.Why), spanOf(d.Events), a.out.state(string(d.State)), strconv.Itoa(d.Tries), next, said})
			}
			a.listed(rows, "Nothing was sent to it yet.", "DELIVERY", "MADE", "WHY", "EVENTS", "STATE", "TRIES", "NEXT", "THE RECEIVER SAID")
			return nil
		},
	}
	cmd.Flags().IntVar(&limit, "limit", limit, "how many at most")
	return cmd
}

// spanOf names events by their numbers.
func spanOf(seqs []int64) string {
	switch n := len(seqs); n {
	case 0:
		return "-"
	case 1:
		return strconv.FormatInt(seqs[0], 10)
	default:
		return strconv.FormatInt(seqs[0], 10) + ".." + strconv.FormatInt(seqs[n-1], 10) + " (" + strconv.Itoa(n) + ")"
	}
}
