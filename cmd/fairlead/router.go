package main

import (
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/fairlead/fairlead/platform/router"
	"github.com/fairlead/fairlead/platform/routing"
)

// routerLog is the folder, in the state folder, in which the router leaves its log for the server.
const routerLog = "router-log"

// accessSample is how many good requests pass for each one that is logged; errors are always logged.
const accessSample = 1000

func newRouterCommand() *cobra.Command {
	var listen string
	cmd := &cobra.Command{
		Use:   "router",
		Short: "Serve your users' requests (its own process; `server` starts one)",
		Long: "Runs the data plane. It serves from the last route table it saved, and goes on while the server, Postgres or\n" +
			"the engine are down. Its socket, table and log are in the state folder.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			state, err := defaultState()
			if err != nil {
				return err
			}
			if err := state.make(); err != nil {
				return err
			}
			ctx, stop := signal.NotifyContext(cmd.Context(), os.Interrupt, syscall.SIGTERM)
			defer stop()
			file, err := routing.OpenLog(state.path(routerLog), routing.LogOptions{Opened: func(f *os.File) {
				_ = debug.SetCrashOutput(f, debug.CrashOptions{}) // what the runtime says when it ends the process belongs there too
			}})
			if err != nil {
				return err
			}
			defer file.Close()
			log := slog.New(slog.NewJSONHandler(io.MultiWriter(file, cmd.OutOrStdout()), nil))
			r := router.New(router.Config{
				Listen: listen, Socket: state.path("router.sock"), TableFile: state.path("router-table.json"),
				Log: log, AccessSample: accessSample, H2C: true,
			})
			if err := state.writePID("router.pid"); err != nil {
				return fmt.Errorf("write the router's pid file: %w", err)
			}
			return r.Run(ctx)
		},
	}
	cmd.Flags().StringVar(&listen, "listen", "127.0.0.1:7780", "address to serve on")
	return cmd
}
