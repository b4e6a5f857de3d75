package platform

import (
	"fmt"
	"time"
)

// Duration is a time.Duration that is written as text ("1m30s") in JSON and YAML, so that no bare number of
// unknown unit crosses a wire.
type Duration time.Duration

// D returns d as a time.Duration.
func (d Duration) D() time.Duration { return time.Duration(d) }

// String returns d in Go's notation, for example "1m30s".
func (d Duration) String() string { return time.Duration(d).String() }

// MarshalText writes d in Go's notation.
func (d Duration) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText reads Go's notation; anything else is an invalid error.
func (d *Duration) UnmarshalText(text []byte) error {
	parsed, err := time.ParseDuration(string(text))
	if err != nil {
		return Errorf(CodeInvalid, "%q is not a duration.", text).WithHint("Write a number and a unit, for example 30s or 15m.")
	}
	*d = Duration(parsed)
	return nil
}

// Format implements fmt.Formatter through String, so that %v and %s print the notation users write.
func (d Duration) Format(f fmt.State, _ rune) { _, _ = fmt.Fprint(f, d.String()) }
