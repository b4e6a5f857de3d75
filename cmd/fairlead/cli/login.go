package cli

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/fairlead/fairlead/platform"
	"github.com/fairlead/fairlead/platform/client"
)

func (a *app) loginCommand() *cobra.Command {
	return &cobra.Command{
		Use: "login [url]", Short: "Store the address of a server and a token for it",
		Long: "Asks for the token, or reads it from --token-file, FAIRLEAD_TOKEN or standard input, checks it with the server and\n" +
			"stores both in a file that only you can read.",
		Example: "  fairlead login http://127.0.0.1:7700\n  fairlead login https://fairlead.example.org --token-file ./token",
		Args:    args("[url]"),
		RunE: func(cmd *cobra.Command, given []string) error {
			if len(given) > 0 {
				a.url = given[0]
			}
			return a.login(cmd.Context())
		},
	}
}

func (a *app) login(ctx context.Context) error {
	o, err := a.connection()
	if err != nil {
		return err
	}
	if a.tokenFile == "" && a.Getenv("FAIRLEAD_TOKEN") == "" && (o.Token == "" || a.url != "" && !local(o.BaseURL)) {
		if o.Token, err = a.secret("Token: "); err != nil {
			return err
		}
	}
	actor, err := client.New(o).Actor(ctx)
	if err != nil {
		return err
	}
	path, err := a.saveCredentials(credentials{URL: o.BaseURL, Token: o.Token})
	if err != nil {
		return err
	}
	if a.json() {
		return a.out.json(map[string]any{"url": o.BaseURL, "actor": actor, "config": path})
	}
	a.out.print("Logged in to %s as %s (%s).", o.BaseURL, actor.Principal(), actor.Role)
	a.out.print("The token is stored in %s.", path)
	return nil
}

// secret reads one line that is not shown: from a terminal without echo, else from standard input.
func (a *app) secret(prompt string) (string, error) {
	if f, ok := a.In.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		fmt.Fprint(a.Err, prompt)
		raw, err := term.ReadPassword(int(f.Fd()))
		fmt.Fprintln(a.Err)
		return nonEmpty(string(raw), err)
	}
	line, err := bufio.NewReader(io.LimitReader(a.In, 64<<10)).ReadString('\n')
	if err == io.EOF { //nolint:errorlint // a reader gives io.EOF itself
		err = nil
	}
	return nonEmpty(line, err)
}

func nonEmpty(s string, err error) (string, error) {
	s = strings.TrimRight(s, "\r\n")
	if err == nil && s == "" {
		err = platform.Errorf(platform.CodeInvalid, "Nothing was given on standard input.").WithHint("Type the value, or pipe it in.")
	}
	return s, err
}
