package observability

import (
	"errors"

	"github.com/fairlead/fairlead/platform"
)

// IncompleteError says that an answer, which came with it, lacks what a store that is away may hold. It is unavailable.
type IncompleteError struct{ Err *platform.Error }

// Error says what is missing and why.
func (i *IncompleteError) Error() string { return i.Err.Error() }

// Unwrap returns the unavailable error.
func (i *IncompleteError) Unwrap() error { return i.Err }

// Incomplete reports whether what came with an error is a part of the answer, and why it is no more.
func Incomplete(err error) (why string, partly bool) {
	var incomplete *IncompleteError
	if !errors.As(err, &incomplete) {
		return "", false
	}
	return incomplete.Err.Message, true
}
