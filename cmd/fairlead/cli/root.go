// Package cli is the command line of Fairlead: one file for each verb, over the HTTP API.
//
// It owns arguments, flags, human tables, JSON output and exit codes. It must not know how the server works: every verb
// is a call of platform/client, so that a command may do exactly what its token may do.
package cli

import (
	"context"
	"errors"
	"io"
	"os"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/fairlead/fairlead/platform"
	"github.com/fairlead/fairlead/platform/client"
)

// Options are the world that a command runs in.
type Options struct {
	Args    []string
	In      io.Reader
	Out     io.Writer
	Err     io.Writer
	Version string
	// StateDir holds the admin token of a server on this machine; "" when there is none.
	StateDir string
	// Dir is the working folder, where fairlead.yaml is looked for; "" means the process's own.
	Dir string
	// Getenv reads the environment; os.Getenv when nil.
	Getenv func(string) string
	// Now is the clock of relative times; time.Now when nil.
	Now func() time.Time
	// Commands are those that are not verbs over the API: server, router, mcp.
	Commands []*cobra.Command
}

// app is one run of the program: what the global flags say, and the streams.
type app struct {
	Options
	url         string
	tokenFile   string
	output      string
	project     string
	environment string
	noColor     bool
	out         *screen
}

type appKey struct{}

// Run executes one command line and returns the exit code. Errors are written to Err.
func Run(ctx context.Context, o Options) int {
	if o.Getenv == nil {
		o.Getenv = os.Getenv
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	a := &app{Options: o}
	a.out = newScreen(o.Out, o.Getenv, o.Now)
	root := a.root()
	a.strictBuiltins(root)
	root.SetArgs(o.Args)
	root.SetIn(o.In)
	root.SetOut(o.Out)
	root.SetErr(o.Err)
	err := root.ExecuteContext(context.WithValue(ctx, appKey{}, a))
	return a.exit(ctx, err)
}

// ConnectionOf returns how the flags, the environment and the stored login say to reach the API, for commands that are
// not verbs of this package.
func ConnectionOf(cmd *cobra.Command) (client.Options, error) {
	a, ok := cmd.Context().Value(appKey{}).(*app)
	if !ok {
		return client.Options{}, platform.Errorf(platform.CodeInternal, "The command was not started by cli.Run.")
	}
	return a.connection()
}

const rootLong = `Fairlead runs your AI applications: push code, and it is built, brought live behind a health gate and watched.
When something breaks, Fairlead explains it with cited evidence and proposes what to do; a person approves.

A service is named service, project/service or project/environment/service. The project is that of --project, of
FAIRLEAD_PROJECT, of the fairlead.yaml in the working folder, or the only one there is.`

func (a *app) root() *cobra.Command {
	root := &cobra.Command{
		Use: "fairlead", Short: "A deployment platform for AI applications with an on-call engineer built in", Long: rootLong,
		SilenceErrors: true, SilenceUsage: true, Version: a.Version,
		PersistentPreRunE: func(cmd *cobra.Command, _ []string) error { return a.checkFlags(cmd) },
	}
	root.SetVersionTemplate("fairlead {{.Version}}\n")
	flags := root.PersistentFlags()
	flags.StringVar(&a.url, "url", "", "address of the API (FAIRLEAD_URL; default "+client.DefaultURL+")")
	flags.StringVar(&a.tokenFile, "token-file", "", "file that holds the token (or FAIRLEAD_TOKEN, or fairlead login)")
	flags.StringVarP(&a.output, "output", "o", "table", "table or json")
	flags.StringVarP(&a.project, "project", "p", "", "project (FAIRLEAD_PROJECT)")
	flags.StringVarP(&a.environment, "environment", "e", "", "environment (default production)")
	flags.BoolVar(&a.noColor, "no-color", false, "no colour (NO_COLOR)")
	must(root.RegisterFlagCompletionFunc("output", cobra.FixedCompletions([]string{"table", "json"}, cobra.ShellCompDirectiveNoFileComp)))

	root.AddGroup(
		&cobra.Group{ID: "ship", Title: "Ship:"}, &cobra.Group{ID: "watch", Title: "Watch:"},
		&cobra.Group{ID: "repair", Title: "Repair:"}, &cobra.Group{ID: "admin", Title: "Set up:"},
	)
	add := func(group string, commands ...*cobra.Command) {
		for _, c := range commands {
			c.GroupID = group
			root.AddCommand(c)
		}
	}
	add("ship", a.projectCommand(), a.serviceCommand(), a.deployCommand(), a.releasesCommand(), a.rollbackCommand(), a.envCommand())
	add("watch", a.statusCommand(), a.logsCommand(), a.tracesCommand(), a.mapCommand(), a.eventsCommand(), a.whyCommand(), a.metricsCommand(), a.usageCommand(), a.notifyCommand())
	add("repair", a.incidentsCommand(), a.alertsCommand(), a.triageCommand(), a.diagnoseCommand(), a.plansCommand(), a.approveCommand(), a.rejectCommand(), a.agentCommand())
	add("admin", a.loginCommand(), a.tokenCommand(), a.policyCommand())
	add("admin", a.Commands...)
	root.AddCommand(a.versionCommand(), exitCodesTopic())
	root.SetFlagErrorFunc(flagError)
	a.strict(root)
	return root
}

// strict makes every command that only holds others refuse an unknown one by name, with the nearest.
func (a *app) strict(cmd *cobra.Command) {
	for _, c := range cmd.Commands() {
		a.strict(c)
	}
	if cmd.Runnable() {
		cmd.Args = explained(cmd.Args)
		return
	}
	if !cmd.HasSubCommands() {
		return
	}
	cmd.Args = func(cmd *cobra.Command, args []string) error {
		if len(args) == 0 {
			return nil
		}
		return unknownCommand(cmd, args[0])
	}
	cmd.RunE = func(cmd *cobra.Command, _ []string) error { return cmd.Help() }
}

// strictBuiltins makes the commands that cobra adds itself refuse unknown names too.
func (a *app) strictBuiltins(root *cobra.Command) {
	root.InitDefaultHelpCmd()
	root.InitDefaultCompletionCmd()
	for _, c := range root.Commands() {
		switch c.Name() {
		case "completion":
			a.strict(c)
		case "help":
			c.Args = func(_ *cobra.Command, names []string) error { return knownCommand(root, names) }
		}
	}
}

// knownCommand refuses the first of the names that is no command in the one before.
func knownCommand(at *cobra.Command, names []string) error {
	for _, name := range names {
		i := slices.IndexFunc(at.Commands(), func(c *cobra.Command) bool { return c.Name() == name || c.HasAlias(name) })
		if i < 0 {
			return unknownCommand(at, name)
		}
		at = at.Commands()[i]
	}
	return nil
}

// explained puts what cobra itself says of arguments into our words.
func explained(check cobra.PositionalArgs) cobra.PositionalArgs {
	if check == nil {
		return nil
	}
	return func(cmd *cobra.Command, given []string) error {
		err := check(cmd, given)
		var known *platform.Error
		switch {
		case err == nil || errors.As(err, &known):
			return err
		case cmd.HasSubCommands():
			return unknownCommand(cmd, given[0])
		}
		return platform.Errorf(platform.CodeInvalid, "`%s` does not take %q.", cmd.CommandPath(), given[0]).WithHint("Usage: %s", cmd.UseLine())
	}
}

func unknownCommand(cmd *cobra.Command, name string) error {
	var names []string
	for _, c := range cmd.Commands() {
		if c.IsAvailableCommand() {
			names = append(names, c.Name())
		}
	}
	hint := "`" + cmd.CommandPath() + " --help` lists what there is."
	if near := platform.Nearest(name, names); near != "" {
		hint = "Did you mean `" + cmd.CommandPath() + " " + near + "`? " + hint
	}
	return platform.Errorf(platform.CodeInvalid, "There is no command %q in `%s`.", name, cmd.CommandPath()).WithHint("%s", hint)
}

// flagError explains a flag that is unknown or has a bad value.
func flagError(cmd *cobra.Command, err error) error {
	var unknown *pflag.NotExistError
	var value *pflag.InvalidValueError
	var missing *pflag.ValueRequiredError
	switch {
	case errors.Is(err, pflag.ErrHelp):
		return err
	case errors.As(err, &unknown):
		name := unknown.GetSpecifiedName()
		var names []string
		cmd.Flags().VisitAll(func(f *pflag.Flag) { names = append(names, f.Name) })
		hint := "`" + cmd.CommandPath() + " --help` lists its flags."
		if near := platform.Nearest(name, names); near != "" && len(name) > 1 {
			hint = "Did you mean --" + near + "? " + hint
		}
		dashes := "--"
		if len(name) == 1 {
			dashes = "-"
		}
		return platform.Errorf(platform.CodeInvalid, "There is no flag %s%s in `%s`.", dashes, name, cmd.CommandPath()).WithHint("%s", hint)
	case errors.As(err, &value):
		f := value.GetFlag()
		return platform.Errorf(platform.CodeInvalid, "--%s cannot be %q.", f.Name, value.GetValue()).WithHint("It takes %s: %s.", typeWord(f.Value.Type()), f.Usage)
	case errors.As(err, &missing):
		f := missing.GetFlag()
		return platform.Errorf(platform.CodeInvalid, "--%s needs a value.", f.Name).WithHint("It takes %s: %s.", typeWord(f.Value.Type()), f.Usage)
	}
	return platform.Errorf(platform.CodeInvalid, "%s.", err)
}

func typeWord(kind string) string {
	switch kind {
	case "int":
		return "a whole number"
	case "duration":
		return "a duration such as 90s or 15m"
	case "bool":
		return "true or false"
	}
	return "text"
}

// args checks the number of arguments and names the first one that is missing.
func args(names ...string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, given []string) error {
		required := 0
		for _, n := range names {
			if n[0] == '<' {
				required++
			}
		}
		usage := "Usage: " + cmd.UseLine()
		if len(given) < required {
			return platform.Errorf(platform.CodeInvalid, "`%s` needs %s.", cmd.CommandPath(), names[len(given)]).WithHint("%s", usage)
		}
		if len(given) > len(names) {
			return platform.Errorf(platform.CodeInvalid, "`%s` does not take %q.", cmd.CommandPath(), given[len(names)]).WithHint("%s", usage)
		}
		return nil
	}
}

// exclusive finds the flags that cobra says were given together.
var exclusive = regexp.MustCompile(`\[([^\]]+)\] were all set`)

func (a *app) checkFlags(cmd *cobra.Command) error {
	if err := cmd.ValidateFlagGroups(); err != nil {
		if found := exclusive.FindStringSubmatch(err.Error()); found != nil {
			names := strings.Fields(found[1])
			return platform.Errorf(platform.CodeInvalid, "--%s cannot be given together.", strings.Join(names, " and --")).
				WithHint("Give one of them.").WithField(names[0])
		}
		return platform.Errorf(platform.CodeInvalid, "%s.", err)
	}
	if a.output != "table" && a.output != "json" && cmd.Annotations[a.output] == "" {
		return platform.Errorf(platform.CodeInvalid, "--output cannot be %q.", a.output).WithHint("Use table or json.").WithField("output")
	}
	if a.noColor {
		a.out.color = false
	}
	return nil
}

func (a *app) json() bool { return a.output == "json" }

func must(err error) {
	if err != nil {
		panic(err)
	}
}
