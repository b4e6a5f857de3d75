package runtimetest

import (
	"time"

	"github.com/fairlead/fairlead/platform/runtime"
	"github.com/fairlead/fairlead/platform/runtime/runtimetest/subject"
)

// Behaviour says what the containers of an image do. The zero value runs, says nothing, and ends with 0 when asked to.
type Behaviour struct {
	// Output is what the process prints when it starts, a line each, to stdout.
	Output []string
	// Errors likewise to stderr, after Output.
	Errors []string
	// ExitAfter ends the process by itself so long after its start, with ExitCode. 0 means never, unless Exits.
	ExitAfter time.Duration
	// Exits ends the process at once.
	Exits bool
	// ExitCode is that of ExitAfter and Exits.
	ExitCode int
	// OOM makes that end an OOM kill; the exit code is then 137.
	OOM bool
	// StopCode is the exit code after it was asked to end.
	StopCode int
	// IgnoresStop makes Stop wait for its grace and kill.
	IgnoresStop bool
	// RefuseStart makes Start fail with ErrRefused and these words of the engine.
	RefuseStart string
	// Address is where the instance is really reached, such as that of an httptest.Server.
	Address string
	// AddressOf gives each container its own, where Address is not enough; called at start, with its labels.
	AddressOf func(labels map[string]string) string
	// Listening is what Runtime.Listening answers.
	Listening []string
	// Exec answers Runtime.Exec; without it every command ends with 0 and says nothing.
	Exec func(argv []string) runtime.ExecResult
	// Stats answers Runtime.Stats; At is filled in.
	Stats runtime.Stats
	// ImageLabels are the image's.
	ImageLabels map[string]string
	// Program, when set, is the process: its steps are Spec.Command. It replaces all of the above that concerns output and exit.
	Program func(system subject.System, args []string) int
}
