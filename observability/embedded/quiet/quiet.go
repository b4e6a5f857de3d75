// Package quiet keeps libraries from printing while they are initialised.
//
// The metrics library below the embedded log store logs one line from an init function on kernels without pressure
// stall information, which would precede the output of every command. This package imports nothing but log, so it is
// initialised first; package embedded turns the log on again once the libraries are there. It must not be used at run
// time.
package quiet

import (
	"io"
	"log"
)

func init() { log.SetOutput(io.Discard) }
