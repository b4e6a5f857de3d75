package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/cobra"
	"github.com/stretchr/testify/require"

	"github.com/fairlead/fairlead/observability"
	"github.com/fairlead/fairlead/platform"
	"github.com/fairlead/fairlead/platform/httpapi"
	"github.com/fairlead/fairlead/platform/httpapi/httpapitest"
)

var update = flag.Bool("update", false, "write the golden files")

type bundle struct {
	t     *testing.T
	plane *httpapitest.Plane
	env   map[string]string
	dir   string
	state string
	in    string
}

func setup(t *testing.T) *bundle {
	t.Helper()
	p := httpapitest.New()
	_, url := httpapitest.Serve(t, p, httpapi.Options{})
	dir := t.TempDir()
	return &bundle{t: t, plane: p, dir: dir, env: map[string]string{
		"FAIRLEAD_URL": url, "FAIRLEAD_TOKEN": httpapitest.AdminToken, "FAIRLEAD_CONFIG": filepath.Join(dir, "config", "config.json"),
	}}
}

type result struct {
	code     int
	out, err string
}

func (b *bundle) run(given ...string) result { return b.runCtx(b.t.Context(), given...) }

func (b *bundle) runCtx(ctx context.Context, given ...string) result {
	var out, errOut bytes.Buffer
	r := b.runOn(ctx, &out, &errOut, given...)
	return result{code: r, out: out.String(), err: errOut.String()}
}

func (b *bundle) runOn(ctx context.Context, out, errOut io.Writer, given ...string) int {
	return Run(ctx, Options{
		Args: given, In: strings.NewReader(b.in), Out: out, Err: errOut, Version: "v0.1.0", Dir: b.dir, StateDir: b.state,
		Getenv: func(name string) string { return b.env[name] }, Now: func() time.Time { return httpapitest.Now },
	})
}

func (b *bundle) ok(given ...string) string {
	b.t.Helper()
	r := b.run(given...)
	require.Zero(b.t, r.code, "%v\n%s%s", given, r.out, r.err)
	require.Empty(b.t, r.err)
	return r.out
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name+".golden")
	if *update {
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
		require.NoError(t, os.WriteFile(path, []byte(got), 0o644))
	}
	want, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Empty(t, cmp.Diff(string(want), got), "run go test ./cmd/fairlead/cli -update when the change is meant")
}

// here is a path of this folder as a command that works elsewhere needs it.
func here(path string) string {
	abs, err := filepath.Abs(path)
	if err != nil {
		panic(err)
	}
	return abs
}

func commands() []*cobra.Command {
	a := &app{Options: Options{Getenv: func(string) string { return "" }, Now: time.Now}, out: &screen{}}
	var all []*cobra.Command
	var walk func(*cobra.Command)
	walk = func(c *cobra.Command) {
		all = append(all, c)
		for _, sub := range c.Commands() {
			walk(sub)
		}
	}
	walk(a.root())
	return all
}

func TestHelp_IsTheGolden(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for _, c := range commands() {
		path := strings.Fields(c.CommandPath())[1:]
		got := b.ok(append(path, "--help")...)
		golden(t, filepath.Join("help", strings.Join(append([]string{"fairlead"}, path...), "-")), got)
	}
}

// tables are the human answers of reading verbs.
var tables = map[string][]string{
	"status":         {"status"},
	"project-list":   {"project", "list"},
	"project-show":   {"project", "show"},
	"service-list":   {"service", "list"},
	"service-show":   {"service", "show", "api"},
	"deploy-list":    {"deploy", "list"},
	"deploy-show":    {"deploy", "show", "dep_02"},
	"deploy-failed":  {"deploy", "show", "dep_03"},
	"releases":       {"releases", "shop/api"},
	"logs":           {"logs", "shop/production/api"},
	"logs-build":     {"logs", "--deploy", "dep_02", "--build"},
	"logs-refs":      {"logs", "api", "--refs"},
	"logs-around":    {"logs", "api", "--around", "2026-03-14T15:08:56Z+2"},
	"logs-histogram": {"logs", "histogram", "api"},
	"logs-patterns":  {"logs", "patterns", "api"},
	"logs-compare":   {"logs", "patterns", "api", "--compare", "release:1..2"},
	"traces":         {"traces"},
	"traces-show":    {"traces", httpapitest.TraceID, "--attributes"},
	"map":            {"map"},
	"map-dot":        {"map", "--output", "dot"},
	"map-mermaid":    {"map", "--output", "mermaid"},
	"events":         {"events"},
	"events-verify":  {"events", "verify"},
	"env-list":       {"env", "list", "api"},
	"incidents":      {"incidents"},
	"incidents-show": {"incidents", "show", "inc_01"},
	"diagnose":       {"diagnose", "api"},
	"alerts":         {"alerts"},
	"silences":       {"alerts", "silences"},
	"inbox":          {"alerts", "inbox"},
	"triage":         {"triage", "--bundle", here("testdata/triage")},
	"silence":        {"alerts", "silence", "api", "--for", "2h", "--reason", "batch scoring"},
	"unsilence":      {"alerts", "unsilence", "sil_01"},
	"notify-list":    {"notify", "list"},
	"notify-test":    {"notify", "test", "chn_01"},
	"notify-log":     {"notify", "log", "chn_01"},
	"notify-webhook": {"notify", "add", "webhook", "hook", "--to-url", "https://hooks.example.org/x", "--secret-file", "testdata/signing-key"},
	"plans":          {"plans"},
	"plans-show":     {"plans", "show", "plan_01"},
	"approve":        {"approve", "plan_01"},
	"reject":         {"reject", "plan_01", "--comment", "no"},
	"token-list":     {"token", "list"},
	"token-create":   {"token", "create", "ci", "--kind", "automation", "--ttl", "720h"},
	"why":            {"why", "ins_dead"},
	"metrics":        {"metrics", "sum by (service) (up)"},
	"metrics-range":  {"metrics", "up", "--since", "1h"},
	"metrics-list":   {"metrics", "list", "--grep", "spool"},
	"usage":          {"usage", "--month", "2026-03"},
	"usage-day":      {"usage", "--by", "day"},
	"usage-csv":      {"usage", "--output", "csv"},
	"policy-show":    {"policy", "show"},
	"policy-text":    {"policy", "show", "--text"},
	"policy-set":     {"policy", "set", here("testdata/policy.yaml")},
	"policy-check":   {"policy", "check", here("testdata/policy.yaml")},
	"policy-explain": {"policy", "explain", "--kind", "agent", "--action", "scale", "--service", "api", "--replicas", "9"},
	"agent-status":   {"agent", "status"},
	"agent-stop":     {"agent", "stop", "--reason", "it scales too much"},
	"agent-start":    {"agent", "start"},
	"plans-propose":  {"plans", "propose", "scale", "api", "--replicas", "3", "--reason", "the queue grows"},
	"budget-set":     {"usage", "budget", "set", "200"},
	"retention-set":  {"project", "retention", "set", "--age", "7d", "--size", "5GB"},
	"rollback":       {"rollback", "api", "--to", "v1"},
	"project-create": {"project", "create"},
	"scale":          {"service", "scale", "api", "3"},
}

func TestTables_AreTheGoldens(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.blueprint("project: shop\n")
	for name, given := range tables {
		golden(t, filepath.Join("tables", name), b.ok(given...))
	}
}

func (b *bundle) blueprint(text string) {
	b.t.Helper()
	require.NoError(b.t, os.WriteFile(filepath.Join(b.dir, "fairlead.yaml"), []byte(text), 0o644))
}

// verbs is one call of every command that can run.
var verbs = map[string][]string{
	"login":                 {},
	"project create":        {},
	"project list":          {},
	"project show":          {"shop"},
	"project delete":        {"shop", "--yes"},
	"service list":          {},
	"service show":          {"api"},
	"service scale":         {"api", "2"},
	"service restart":       {"api"},
	"deploy":                {"api"},
	"deploy list":           {"api"},
	"deploy show":           {"dep_02"},
	"deploy cancel":         {"dep_02"},
	"releases":              {"api"},
	"rollback":              {"api"},
	"logs":                  {"api"},
	"traces":                {"api"},
	"map":                   {},
	"events":                {},
	"events verify":         {},
	"env list":              {"api"},
	"env set":               {"api", "A=b"},
	"env unset":             {"api", "A"},
	"incidents":             {},
	"incidents list":        {},
	"incidents show":        {"inc_01"},
	"incidents export":      {"inc_01", "exported"},
	"alerts":                {},
	"alerts list":           {"api"},
	"alerts inbox":          {},
	"triage":                {"--bundle", here("testdata/triage")},
	"alerts silence":        {"api", "--reason", "batch scoring"},
	"alerts silences":       {},
	"alerts unsilence":      {"sil_01"},
	"diagnose":              {"inc_01"},
	"plans":                 {},
	"plans list":            {"api"},
	"plans show":            {"plan_01"},
	"approve":               {"plan_01"},
	"reject":                {"plan_01"},
	"token create":          {"ci"},
	"token list":            {},
	"token revoke":          {"tok_01"},
	"status":                {},
	"why":                   {"ins_dead"},
	"version":               {},
	"logs histogram":        {"api"},
	"logs patterns":         {"api"},
	"notify list":           {},
	"notify add webhook":    {"hook", "--to-url", "https://hooks.example.org/x", "--secret-file", "testdata/signing-key", "--quiet", "22:00-07:00"},
	"notify add slack":      {"chat", "--to", "#ops", "--secret-file", "testdata/bot-token", "--installation"},
	"notify add email":      {"mail", "--to", "oncall@example.org", "--from", "f@example.org", "--server", "127.0.0.1:25", "--security", "none"},
	"notify test":           {"chn_01"},
	"notify enable":         {"chn_02"},
	"notify disable":        {"chn_01"},
	"notify remove":         {"chn_01"},
	"notify log":            {"chn_01"},
	"project retention set": {"--age", "36h"},
	"policy show":           {},
	"policy set":            {here("testdata/policy.yaml")},
	"policy check":          {here("testdata/policy.yaml")},
	"policy explain":        {"--action", "restart", "--service", "api"},
	"agent status":          {},
	"agent stop":            {"--project", "shop"},
	"agent start":           {},
	"plans propose":         {"restart", "api", "--reason", "it hangs"},
	"metrics":               {"up"},
	"metrics list":          {},
	"usage":                 {},
	"usage budget set":      {"99.50"},
}

func TestEveryVerb_SupportsJSON(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.blueprint("project: shop\n")
	for _, c := range commands() {
		if !c.Runnable() || c.HasSubCommands() && c.Args != nil && c.Use == strings.Fields(c.Use)[0] && verbs[strings.TrimPrefix(c.CommandPath(), "fairlead ")] == nil {
			continue
		}
		name := strings.TrimPrefix(c.CommandPath(), "fairlead ")
		given, known := verbs[name]
		require.True(t, known, "add %q to verbs", name)
		out := b.ok(append(append(strings.Fields(name), given...), "--output", "json")...)
		require.True(t, json.Valid([]byte(out)), "%s: %s", name, out)
	}
}

func TestNotify_SecretComesFromAFileOrStandardInputAndIsNeverPrinted(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.in = "a-signing-key-of-some-length\n"
	out := b.ok("notify", "add", "webhook", "hook", "-p", "shop", "--to-url", "https://hooks.example.org/x")
	require.NotContains(t, out, "a-signing-key")
	calls := b.plane.Calls()
	req, _ := calls[len(calls)-1].Arg.(platform.CreateChannelRequest)
	require.Equal(t, "a-signing-key-of-some-length", req.Secret)
	require.Equal(t, "shop", req.Project)
	b.in = ""
	r := b.run("notify", "add", "webhook", "hook", "-p", "shop", "--to-url", "https://hooks.example.org/x")
	require.Equal(t, 2, r.code)
	require.Contains(t, r.err, "Nothing was given on standard input.")
	r = b.run("notify", "add", "slack", "chat", "-p", "shop", "--to", "#ops", "--secret-file", "/none")
	require.Contains(t, r.err, "The secret file cannot be read")
	r = b.run("notify", "add", "webhook", "hook", "--to-url", "https://h/x", "--quiet", "late", "--secret-file", "testdata/signing-key")
	require.Contains(t, r.err, "Write it as 22:00-07:00.")
}

func TestExitCodes_FollowTheErrorCodes(t *testing.T) {
	t.Parallel()
	b := setup(t)
	var next error
	b.plane.Fail = func(string) error { return next }
	for code, want := range exitOf {
		next = platform.Errorf(code, "It is so.").WithHint("Do this.")
		r := b.run("status")
		require.Equal(t, want, r.code, code)
		require.Equal(t, "Error: It is so.\nFix:   Do this.\n", r.err)
		require.Empty(t, r.out)
	}
	b.plane.Fail = nil
	b.env["FAIRLEAD_TOKEN"] = httpapitest.AgentToken
	require.Equal(t, 3, b.run("approve", "plan_01").code)
	b.env["FAIRLEAD_URL"] = "http://127.0.0.1:1"
	r := b.run("status")
	require.Equal(t, 8, r.code)
	require.Contains(t, r.err, "Nothing answers at http://127.0.0.1:1.")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.Equal(t, exitInterrupted, b.runCtx(ctx, "status").code)
}

func TestBadInput_IsRefusedByNameWithTheNearest(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for _, c := range []struct {
		given []string
		want  string
	}{
		{[]string{"stauts"}, `Error: There is no command "stauts" in ` + "`fairlead`.\nFix:   Did you mean `fairlead status`?"},
		{[]string{"project", "lst"}, "Did you mean `fairlead project list`?"},
		{[]string{"status", "--ouptut", "json"}, "Error: There is no flag --ouptut in `fairlead status`.\nFix:   Did you mean --output?"},
		{[]string{"status", "-z"}, "There is no flag -z"},
		{[]string{"status", "--output", "xml"}, "Use table or json."},
		{[]string{"status", "more"}, "`fairlead status` does not take \"more\"."},
		{[]string{"deploy"}, "`fairlead deploy` needs <service>."},
		{[]string{"deploy", "a/b/c/d"}, "does not name a service"},
		{[]string{"deploy", "shop/api", "-p", "other"}, "name different places"},
		{[]string{"service", "scale", "api", "many"}, "Write 0 to 100."},
		{[]string{"usage", "--month", "november"}, "Write year and month, such as 2026-11."},
		{[]string{"usage", "--by", "week"}, "Use service or day."},
		{[]string{"usage", "budget", "set", "lots"}, "Write an amount such as 200 or 99.50."},
		{[]string{"status", "--output", "csv"}, "Use table or json."},
		{[]string{"status", "--output", "dot"}, "Use table or json."},
		{[]string{"traces", "--since", "yesterday"}, "Write how long ago, for example 15m"},
		{[]string{"traces", "--min-took", "fast"}, `--min-took cannot be "fast".`},
		{[]string{"map", "--until", "x"}, "Write how long ago, for example 15m"},
		{[]string{"project", "retention", "set", "--age", "week"}, "Write for example 7d or 36h."},
		{[]string{"project", "retention", "set", "--size", "5"}, "such as 5GB"},
		{[]string{"rollback", "api", "--to", "x"}, "Write the number of a release"},
		{[]string{"logs", "--since", "yesterday"}, "Write how long ago, for example 15m"},
		{[]string{"logs", "--limit", "x"}, `--limit cannot be "x".`},
		{[]string{"logs", "--since"}, "--since needs a value."},
		{[]string{"env", "set", "api"}, "needs <KEY=VALUE>"},
		{[]string{"env", "set", "api", "=x"}, "has no key"},
		{[]string{"project", "create", "-f", "none.yaml"}, "The blueprint cannot be read"},
		{[]string{"status", "--url", "127.0.0.1:7700"}, "is not the address of an API"},
		{[]string{"status", "--token-file", "/none"}, "The token file cannot be read"},
		{[]string{"deploy", "api", "--commit", "x", "--image", "y"}, "--commit and --image cannot be given together."},
	} {
		r := b.run(c.given...)
		require.Contains(t, r.err, c.want, c.given)
		require.Equal(t, 2, r.code, c.given)
		require.Empty(t, r.out)
	}
	require.NotContains(t, callNames(b), "Deploy")
}

func callNames(b *bundle) []string {
	var names []string
	for _, c := range b.plane.Calls() {
		names = append(names, c.Name)
	}
	return names
}

func TestLogin_StoresAndChecksTheToken(t *testing.T) {
	t.Parallel()
	b := setup(t)
	url := b.env["FAIRLEAD_URL"]
	delete(b.env, "FAIRLEAD_URL")
	delete(b.env, "FAIRLEAD_TOKEN")
	b.in = "flt_wrong\n"
	r := b.run("login", url)
	require.Equal(t, 3, r.code)
	require.NoFileExists(t, b.env["FAIRLEAD_CONFIG"])
	b.in = httpapitest.AdminToken + "\n"
	require.Contains(t, b.ok("login", url), "as human:ada (admin)")
	info, err := os.Stat(b.env["FAIRLEAD_CONFIG"])
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode().Perm())
	require.Contains(t, b.ok("status"), "Fairlead 0.1.0")

	// The stored token goes to the address it was stored for, and to no other.
	_, other := httpapitest.Serve(t, httpapitest.New(), httpapi.Options{})
	require.Equal(t, 3, b.run("status", "--url", other).code)
}

func TestAdminToken_OfThisMachineGoesToThisMachineOnly(t *testing.T) {
	t.Parallel()
	b := setup(t)
	delete(b.env, "FAIRLEAD_TOKEN")
	b.state = t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(b.state, "admin-token"), []byte(httpapitest.AdminToken+"\n"), 0o600))
	b.ok("status")
	a := &app{Options: Options{StateDir: b.state, Getenv: func(string) string { return "" }}, url: "https://elsewhere.example.org"}
	o, err := a.connection()
	require.NoError(t, err)
	require.Empty(t, o.Token)
}

func TestTarget_IsCompletedFromFlagsEnvironmentAndFolder(t *testing.T) {
	t.Parallel()
	b := setup(t)
	ref := func(given ...string) platform.SlotRef {
		t.Helper()
		b.run(append([]string{"service", "show"}, given...)...)
		calls := b.plane.Calls()
		r, _ := calls[len(calls)-1].Arg.(platform.SlotRef)
		return r
	}
	require.Equal(t, platform.SlotRef{Project: "shop", Service: "api"}, ref("api"), "the only project")
	require.Equal(t, platform.SlotRef{Project: "shop", Environment: "production", Service: "api"}, ref("shop/production/api"))
	require.Equal(t, platform.SlotRef{Project: "shop", Environment: "production", Service: "api"}, ref("api", "-e", "production"))
	b.blueprint("project: other\n")
	require.Contains(t, b.run("service", "show", "api").err, `There is no service "api"`)
	b.env["FAIRLEAD_PROJECT"] = "shop"
	require.Equal(t, platform.SlotRef{Project: "shop", Service: "features"}, ref("features"))
}

func TestDeploy_ShowsPhasesBuildLogAndResult(t *testing.T) {
	t.Parallel()
	b := setup(t)
	live := b.plane.Deploys[0]
	building := live
	building.Phase = platform.PhaseBuilding
	b.plane.Deploys[0] = building
	polls := 0
	b.plane.Fail = func(call string) error {
		// After the build log was opened the deploy goes live.
		if call == "SearchLogs" {
			polls++
		}
		if call == "GetDeploy" && polls > 1 {
			b.plane.Deploys[0] = live
		}
		return nil
	}
	out := b.ok("deploy", "api")
	require.Contains(t, out, "building   b7e01d55 Round scores to two places")
	require.Contains(t, out, "| Step 1/4 : FROM python:3.12-slim")
	require.Contains(t, out, "✓ release 2 of shop/production/api is live; 0 of 412 probe requests failed.")
}

func TestDeploy_ThatFailsEndsWithItsOwnCode(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.plane.Deploys[0] = b.plane.Deploys[1]
	r := b.run("deploy", "api")
	require.Equal(t, exitEnded, r.code)
	require.Contains(t, r.out, "the old release still serves")
	require.Contains(t, r.out, "The process ended with exit code 1 before it was well.")
	require.Contains(t, r.err, "did not go live")
	require.Contains(t, b.ok("deploy", "api", "--no-wait"), "Watch it with")
}

func TestLogs_OfADeployEndWithIt(t *testing.T) {
	t.Parallel()
	b := setup(t)
	out := b.ok("logs", "--deploy", "dep_02", "--follow")
	require.Contains(t, out, "Step 1/4")
	require.Contains(t, out, "ERROR TypeError")
}

func TestLogs_FollowUntilInterrupted(t *testing.T) {
	t.Parallel()
	b := setup(t)
	ctx, interrupt := context.WithCancel(t.Context())
	go func() {
		b.plane.LiveLines <- observability.Line{At: httpapitest.Now, Message: "last \x1b[2Jwords\u202e", Source: "runtime"}
	}()
	seen := &watched{text: "words", then: interrupt}
	require.Equal(t, exitInterrupted, b.runOn(ctx, seen, seen, "logs", "api", "-f"))
	require.Contains(t, seen.String(), "last [2Jwords\n", "control characters of others never reach the terminal")
}

// watched calls then when the text was written.
type watched struct {
	bytes.Buffer
	text string
	then func()
}

func (w *watched) Write(p []byte) (int, error) {
	if bytes.Contains(p, []byte(w.text)) {
		w.then()
	}
	return w.Buffer.Write(p)
}

func TestEnvSet_ReadsASecretFromStandardInput(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.in = "hunter2\n"
	out := b.ok("env", "set", "api", "KEY=-", "--secret", "--no-deploy")
	require.NotContains(t, out, "hunter2")
	calls := b.plane.Calls()
	require.Equal(t, []platform.Variable{{Key: "KEY", Value: "hunter2", Secret: true}}, calls[len(calls)-1].Arg.(platform.SetEnvRequest).Set)
	require.Contains(t, b.run("env", "set", "api", "A=-", "B").err, "are to be read from standard input")
}

func TestApprove_SendsTheHashItShowed(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.ok("approve", "plan_01", "--comment", "go")
	calls := b.plane.Calls()
	require.Equal(t, platform.DecideRequest{Approve: true, Hash: b.plane.Plan.Hash, Comment: "go"}, calls[len(calls)-1].Arg)

	b.plane.Plan.Body.Action = platform.Action{Kind: platform.ActionSetEnv, EnvKey: "API_KEY"}
	r := b.run("approve", "plan_01")
	require.Equal(t, 2, r.code)
	require.Contains(t, r.err, "--value -")
	b.in = "hunter2\n"
	b.ok("approve", "plan_01", "--value", "-")
	calls = b.plane.Calls()
	require.Equal(t, "hunter2", calls[len(calls)-1].Arg.(platform.DecideRequest).EnvValue)
}

func TestEventsVerify_SaysWhereTheChainBreaks(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.plane.Events[2].Summary = "changed"
	r := b.run("events", "verify")
	require.Equal(t, exitEnded, r.code)
	require.Contains(t, r.err, "broken at event 3")
}

func TestProjectDelete_AsksFirst(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.in = "yes\n"
	require.Equal(t, 2, b.run("project", "delete", "shop").code)
	require.Empty(t, b.plane.Calls())
	b.in = "shop\n"
	require.Zero(t, b.run("project", "delete", "shop").code)
}

func TestWidth_CountsWhatIsSeen(t *testing.T) {
	t.Parallel()
	s := &screen{color: true}
	require.Equal(t, 4, width(s.red("live")))
	require.Equal(t, "a\tb\nc", clean("a\tb\nc\x00\x1b\r\u202e\u2066"))
	require.Equal(t, "a b…", oneLine("a\nb c d", 4))
}

func FuzzClean(f *testing.F) {
	f.Add("\x1b[31mred\x1b[0m")
	f.Fuzz(func(t *testing.T, text string) {
		for _, r := range clean(text) {
			require.True(t, r == '\n' || r == '\t' || r >= ' ')
		}
	})
}
