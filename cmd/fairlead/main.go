// Command fairlead is the one binary of Fairlead: the server, the router, the MCP bridge and the command line.
//
// It owns the wiring of the parts into processes (wire.go and what it calls); the verbs are in package cli. It must not
// decide anything that a part could decide.
package main

import (
	"context"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/fairlead/fairlead/cmd/fairlead/cli"
)

// version is set by the linker.
var version = "dev"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// run executes one command line and returns the exit code, which `fairlead help exit-codes` explains.
func run(ctx context.Context, args []string, in io.Reader, out, errOut io.Writer) int {
	// A program without a home folder has no state folder either; only commands that need one say so.
	state, _ := defaultState()
	return cli.Run(ctx, cli.Options{
		Args: args, In: in, Out: out, Err: errOut, Version: version, StateDir: string(state), Commands: processes(),
	})
}

// processes are the commands that are not verbs over the API.
func processes() []*cobra.Command {
	return []*cobra.Command{newServerCommand(), newRouterCommand(), newMCPCommand()}
}
