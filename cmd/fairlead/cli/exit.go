package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/fairlead/fairlead/platform"
)

// Exit codes beside those of error codes.
const (
	exitEnded       = 9   // what was waited for ended badly
	exitInterrupted = 130 // by Ctrl-C, as shells have it
)

// exitOf maps every code to its exit code: the one place where that is written.
var exitOf = map[platform.ErrorCode]int{
	platform.CodeInternal:         1,
	platform.CodeInvalid:          2,
	platform.CodeUnauthenticated:  3,
	platform.CodeDenied:           3,
	platform.CodeNotFound:         4,
	platform.CodeConflict:         5,
	platform.CodeApprovalRequired: 6,
	platform.CodeExhausted:        7,
	platform.CodeUnavailable:      8,
}

// endedError says that what a command waited for ended badly, after the command has already shown how.
type endedError struct{ error }

// exit writes the error for people and returns the exit code.
func (a *app) exit(ctx context.Context, err error) int {
	if err == nil {
		return 0
	}
	if errors.Is(err, context.Canceled) && ctx.Err() != nil {
		return exitInterrupted
	}
	errOut := newScreen(a.Err, a.Getenv, a.Now)
	errOut.color = errOut.color && !a.noColor
	var ended endedError
	var known *platform.Error
	switch {
	case errors.As(err, &ended):
		fmt.Fprintln(a.Err, errOut.red("Error:")+" "+ended.Error())
		return exitEnded
	case errors.As(err, &known):
		fmt.Fprintln(a.Err, errOut.red("Error:")+" "+clean(known.Message))
		if known.Hint != "" {
			fmt.Fprintln(a.Err, errOut.bold("Fix:")+"   "+clean(known.Hint))
		}
		return exitOf[known.Code]
	}
	fmt.Fprintln(a.Err, errOut.red("Error:")+" "+strings.TrimSuffix(clean(err.Error()), ".")+".")
	return exitOf[platform.CodeInternal]
}

const exitCodesText = `Every command ends with one of these codes.

   0  it was done
   1  a fault of Fairlead, or of this program
   2  the request itself is wrong: an unknown flag, a bad value, a malformed fairlead.yaml
   3  no token, an unknown one, or one that may not do this
   4  nothing by that name or id
   5  the world is not in the state that the request needs: decided before, expired, busy
   6  another person must approve first
   7  a limit was reached
   8  the server, or something it needs, does not answer now: try again
   9  what was waited for ended badly: a deploy that did not go live, a hash chain that is broken
 130  interrupted by Ctrl-C

Errors are written to standard error as "Error: what is wrong" and "Fix: the next move".
`

func exitCodesTopic() *cobra.Command {
	return &cobra.Command{Use: "exit-codes", Short: "What the exit codes mean", Long: exitCodesText}
}
