package main

import (
	"context"
	"net/http"
	"os"
	"strconv"

	"github.com/spf13/pflag"

	"github.com/fairlead/fairlead/observability/collect"
	"github.com/fairlead/fairlead/observability/loki"
	"github.com/fairlead/fairlead/platform/httpapi"
)

// lokiSetting is one setting of a Loki that keeps the logs: a flag, and a variable that stands in for it.
type lokiSetting struct {
	flag, variable, usage string
	value                 *string
}

// lokiSettings are the settings of o that users give. Secrets are given as files only.
func lokiSettings(o *loki.Options) []lokiSetting {
	return []lokiSetting{
		{"loki-url", "FAIRLEAD_LOKI_URL", "keep logs in the Loki at this address instead of the state folder", &o.URL},
		{"loki-tenant", "FAIRLEAD_LOKI_TENANT", "tenant of Loki (X-Scope-OrgID)", &o.Tenant},
		{"loki-username", "FAIRLEAD_LOKI_USERNAME", "user name for Loki, with --loki-password-file", &o.Username},
		{"loki-password-file", "FAIRLEAD_LOKI_PASSWORD_FILE", "file with the password for Loki", &o.PasswordFile},
		{"loki-token-file", "FAIRLEAD_LOKI_TOKEN_FILE", "file with a bearer token for Loki", &o.TokenFile},
		{"loki-ca-file", "FAIRLEAD_LOKI_CA_FILE", "PEM file of the authorities that may sign Loki's certificate", &o.CAFile},
		{"loki-cert-file", "FAIRLEAD_LOKI_CERT_FILE", "PEM file of the client certificate for Loki, with --loki-key-file", &o.CertFile},
		{"loki-key-file", "FAIRLEAD_LOKI_KEY_FILE", "PEM file of the client certificate's key", &o.KeyFile},
	}
}

func addLokiFlags(flags *pflag.FlagSet, o *loki.Options) {
	for _, s := range lokiSettings(o) {
		flags.StringVar(s.value, s.flag, "", s.usage+" ("+s.variable+")")
	}
}

// lokiFromEnvironment fills in what no flag gave.
func lokiFromEnvironment(o *loki.Options) {
	for _, s := range lokiSettings(o) {
		if *s.value == "" {
			*s.value = os.Getenv(s.variable)
		}
	}
}

// lokiArguments returns the settings as flags, for a server that is started in the background.
func lokiArguments(o *loki.Options) []string {
	var args []string
	for _, s := range lokiSettings(o) {
		if *s.value != "" {
			args = append(args, "--"+s.flag, *s.value)
		}
	}
	return args
}

// lokiStatus says how the Loki that keeps the logs does, and how many lines it refused for good. A Loki that is away is no
// fault of the part: the server is ready, and lines wait.
func lokiStatus(ctx context.Context, logs *loki.Logs) string {
	text := "answers"
	if err := logs.Ping(ctx); err != nil {
		text = "away, and lines wait: " + err.Error()
	}
	if lost := logs.Stats().Lost(); lost > 0 {
		text += "; since the start it refused " + strconv.FormatInt(lost, 10) + " lines for good, which the server's log names"
	}
	return text
}

// lokiPush is where applications and log shippers push lines by Loki's protocol.
const lokiPush = "/loki/api/v1/push"

// lokiHandler takes pushed lines: who may push is asked before anything is read.
func (s *installation) lokiHandler() http.Handler {
	senders := httpapi.NewSenders(s.plane)
	return senders.Handler(loki.NewReceiver(loki.ReceiveOptions{
		Sender: func(r *http.Request) (loki.Sender, error) { return senders.Sender(r) },
		Sink:   collect.NewInbound(s.logs, s.hub, s.redactor), Log: s.log,
	}))
}
