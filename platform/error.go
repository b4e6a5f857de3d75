package platform

import (
	"errors"
	"fmt"
)

// ErrorCode is the closed set of reasons that users and models see. Each face (HTTP, CLI, MCP) maps codes once.
type ErrorCode string

// The codes, with the HTTP status and the CLI exit code that each becomes.
const (
	CodeInvalid          ErrorCode = "invalid"           // 422, exit 2: the request itself is wrong
	CodeUnauthenticated  ErrorCode = "unauthenticated"   // 401, exit 3: no token, or one that is unknown, expired or revoked
	CodeDenied           ErrorCode = "denied"            // 403, exit 3: the actor may not do this
	CodeNotFound         ErrorCode = "not_found"         // 404, exit 4: nothing by that name or id that the actor may see
	CodeConflict         ErrorCode = "conflict"          // 409, exit 5: the world is not in the state the request needs
	CodeApprovalRequired ErrorCode = "approval_required" // 202 or 403, exit 6: another principal must say yes first
	CodeExhausted        ErrorCode = "exhausted"         // 429, exit 7: a limit was reached
	CodeUnavailable      ErrorCode = "unavailable"       // 503, exit 8: something Fairlead needs does not answer now
	CodeInternal         ErrorCode = "internal"          // 500, exit 1: a fault of Fairlead
)

// Error is what users and models see when something is refused or fails.
// Message is a full sentence; Hint says the next move; Field names the argument at fault, where one is.
type Error struct {
	Code    ErrorCode `json:"code"`
	Message string    `json:"message"`
	Hint    string    `json:"hint,omitempty"`
	Field   string    `json:"field,omitempty"`
}

// Error returns the message, with the hint after it where there is one.
func (e *Error) Error() string {
	if e.Hint == "" {
		return e.Message
	}
	return e.Message + " " + e.Hint
}

// Errorf builds an Error with a formatted message and no hint.
func Errorf(code ErrorCode, format string, args ...any) *Error {
	return &Error{Code: code, Message: fmt.Sprintf(format, args...)}
}

// WithHint returns a copy of e that says the next move.
func (e *Error) WithHint(format string, args ...any) *Error {
	c := *e
	c.Hint = fmt.Sprintf(format, args...)
	return &c
}

// WithField returns a copy of e that names the argument at fault.
func (e *Error) WithField(field string) *Error {
	c := *e
	c.Field = field
	return &c
}

// CodeOf returns the code of the first Error in err's chain, CodeInternal for any other error, and "" for nil.
func CodeOf(err error) ErrorCode {
	if err == nil {
		return ""
	}
	var e *Error
	if errors.As(err, &e) {
		return e.Code
	}
	return CodeInternal
}
