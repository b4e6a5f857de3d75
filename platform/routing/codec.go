package routing

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"

	"github.com/fairlead/fairlead/platform"
)

// Encode returns the wire form of a table, which is also the form that the router saves.
func Encode(t Table) ([]byte, error) {
	data, err := json.Marshal(t)
	if err != nil {
		return nil, fmt.Errorf("encode route table: %w", err)
	}
	return data, nil
}

// Decode reads one table of at most MaxTableBytes from r to its end and validates it. Anything but exactly one valid
// table is an invalid error. Fields that this version does not know are ignored, so that a newer control plane can
// talk to an older router.
func Decode(r io.Reader) (Table, error) {
	data, err := io.ReadAll(io.LimitReader(r, MaxTableBytes+1))
	if err != nil {
		return Table{}, fmt.Errorf("read route table: %w", err)
	}
	if len(data) > MaxTableBytes {
		return Table{}, invalid("", "The route table is too large.", fmt.Sprintf("At most %d bytes are allowed.", MaxTableBytes))
	}
	return decode(data)
}

func decode(data []byte) (Table, error) {
	var t Table
	if len(bytes.TrimSpace(data)) == 0 {
		return Table{}, invalid("", "The route table is empty text.", "Send one JSON object.")
	}
	if err := json.Unmarshal(data, &t); err != nil {
		return Table{}, invalid("", fmt.Sprintf("The route table is not valid JSON: %v.", err), "Send one JSON object.")
	}
	if err := t.Validate(); err != nil {
		return Table{}, err
	}
	return t, nil
}

// WriteError answers a request on the socket with err as JSON: 422 for what the caller got wrong, 503 for what the
// router could not do.
func WriteError(w http.ResponseWriter, err error) {
	var e *platform.Error
	if !errors.As(err, &e) {
		e = &platform.Error{Code: platform.CodeUnavailable, Message: fmt.Sprintf("The router could not do it: %v.", err)}
	}
	status := http.StatusServiceUnavailable
	if e.Code == platform.CodeInvalid {
		status = http.StatusUnprocessableEntity
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	// The caller may be gone; it will ask again.
	_ = json.NewEncoder(w).Encode(e)
}
