package cli

import (
	"context"
	"strings"

	"github.com/spf13/cobra"

	"github.com/fairlead/fairlead/platform"
	"github.com/fairlead/fairlead/platform/client"
)

func (a *app) envCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "env", Short: "List, set and remove a service's environment variables"}
	cmd.AddCommand(a.envListCommand(), a.envSetCommand(), a.envUnsetCommand())
	return cmd
}

func (a *app) envListCommand() *cobra.Command {
	return &cobra.Command{
		Use: "list <service>", Aliases: []string{"ls"}, Short: "List a service's own variables; secret values are never shown", Args: args("<service>"),
		RunE: func(cmd *cobra.Command, given []string) error {
			config, err := slotCall(cmd.Context(), a, given[0], func(ctx context.Context, c *client.Client, ref platform.SlotRef) (platform.Config, error) {
				return c.GetEnv(ctx, ref)
			})
			if err != nil || a.json() {
				return a.result(config, err)
			}
			a.variables(config)
			return nil
		},
	}
}

func (a *app) variables(config platform.Config) {
	var rows [][]string
	for _, v := range config.Vars {
		value := oneLine(v.Value, 80)
		if v.Secret {
			value = a.out.dim("(secret)")
		}
		rows = append(rows, []string{v.Key, value})
	}
	a.listed(rows, "It has no variables of its own.", "KEY", "VALUE")
}

func (a *app) envSetCommand() *cobra.Command {
	var secret, noDeploy, noWait bool
	cmd := &cobra.Command{
		Use: "set <service> <KEY=VALUE>...", Short: "Set variables, and deploy the live image with them",
		Long: "Sets variables. KEY=- reads the value from standard input; a KEY alone asks for it without showing it, so that a secret\n" +
			"is not kept in the shell's history. Unless --no-deploy is given, a deploy of the live image with them follows.",
		Example: "  fairlead env set api MODE=fast LOG_LEVEL=debug\n  fairlead env set api PAYMENTS_KEY=- --secret < key.txt",
		Args: func(cmd *cobra.Command, given []string) error {
			if len(given) < 2 {
				return args("<service>", "<KEY=VALUE>")(cmd, given)
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, given []string) error {
			vars, err := a.readVariables(given[1:], secret)
			if err != nil {
				return err
			}
			return a.setEnv(cmd.Context(), given[0], platform.SetEnvRequest{Set: vars, NoDeploy: noDeploy}, noWait)
		},
	}
	cmd.Flags().BoolVar(&secret, "secret", false, "seal the values; they are never shown again")
	cmd.Flags().BoolVar(&noDeploy, "no-deploy", false, "record only; the next deploy takes them")
	waitFlags(cmd, &noWait)
	return cmd
}

// readVariables reads KEY=VALUE, KEY=- and KEY. Standard input holds one value, so it can be asked for once.
func (a *app) readVariables(given []string, secret bool) ([]platform.Variable, error) {
	var vars []platform.Variable
	asked := ""
	for _, arg := range given {
		key, value, found := strings.Cut(arg, "=")
		if key == "" {
			return nil, platform.Errorf(platform.CodeInvalid, "%q has no key.", platform.Truncate(arg, 20)).WithHint("Write KEY=VALUE.")
		}
		if !found || value == "-" {
			if asked != "" {
				return nil, platform.Errorf(platform.CodeInvalid, "Both %s and %s are to be read from standard input.", asked, key).WithHint("Set them one after the other.")
			}
			asked = key
			var err error
			if value, err = a.secret(key + ": "); err != nil {
				return nil, err
			}
		}
		vars = append(vars, platform.Variable{Key: key, Value: value, Secret: secret})
	}
	return vars, nil
}

func (a *app) setEnv(ctx context.Context, target string, req platform.SetEnvRequest, noWait bool) error {
	r, err := slotCall(ctx, a, target, func(ctx context.Context, c *client.Client, ref platform.SlotRef) (platform.SetEnvResult, error) {
		req.SlotRef = ref
		return c.SetEnv(ctx, req)
	})
	if err != nil || a.json() {
		return a.result(r, err)
	}
	a.variables(r.Config)
	if r.Deploy == nil {
		a.out.print("\nRecorded as version %d; the next deploy takes it.", r.Config.Version)
		return nil
	}
	a.out.print("")
	return a.after(ctx, *r.Deploy, noWait)
}

func (a *app) envUnsetCommand() *cobra.Command {
	var noDeploy, noWait bool
	cmd := &cobra.Command{
		Use: "unset <service> <KEY>...", Short: "Remove variables, and deploy the live image without them",
		Args: func(cmd *cobra.Command, given []string) error {
			if len(given) < 2 {
				return args("<service>", "<KEY>")(cmd, given)
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, given []string) error {
			return a.setEnv(cmd.Context(), given[0], platform.SetEnvRequest{Unset: given[1:], NoDeploy: noDeploy}, noWait)
		},
	}
	cmd.Flags().BoolVar(&noDeploy, "no-deploy", false, "record only; the next deploy goes without them")
	waitFlags(cmd, &noWait)
	return cmd
}
