package source

import (
	"bytes"
	"fmt"
	"net/http"
	"strings"

	"github.com/fairlead/fairlead/platform"
)

// heldAnswer keeps the answer to a push, which is short, until the notes can go before it.
type heldAnswer struct {
	header http.Header
	status int
	body   bytes.Buffer
}

// Header implements http.ResponseWriter.
func (a *heldAnswer) Header() http.Header { return a.header }

// WriteHeader implements http.ResponseWriter.
func (a *heldAnswer) WriteHeader(status int) { a.status = status }

// Write implements http.ResponseWriter.
func (a *heldAnswer) Write(p []byte) (int, error) { return a.body.Write(p) }

const (
	// bandProgress is the channel of Git's side band that clients print: see gitprotocol-pack(5).
	bandProgress = 2
	maxBandText  = 900
)

// send answers with the notes before what Git says. They travel in the side band that Git prints as "remote: ...";
// a client that asked for none gets none.
func (a *heldAnswer) send(w http.ResponseWriter, notes []string) {
	for key, values := range a.header {
		w.Header()[key] = values
	}
	w.Header().Del("Content-Length")
	w.WriteHeader(a.status)
	body := a.body.Bytes()
	// The first packet is four hexadecimal digits of length, then the band, where there is one.
	if a.status == http.StatusOK && len(body) > 4 && body[4] >= 1 && body[4] <= 3 {
		for _, note := range notes {
			for line := range strings.Lines(note) {
				_, _ = w.Write(packet(bandProgress, printable(line)+"\n"))
			}
		}
	}
	_, _ = w.Write(body)
}

func packet(band byte, text string) []byte {
	return fmt.Appendf(nil, "%04x%c%s", len(text)+5, band, text)
}

// printable keeps a note from steering the pusher's terminal.
func printable(line string) string {
	line = strings.Map(func(r rune) rune {
		if r < 0x20 || r >= 0x7f && r < 0xa0 || r >= 0x202a && r <= 0x202e || r >= 0x2066 && r <= 0x2069 {
			return -1
		}
		return r
	}, clean(line))
	return platform.Truncate(line, maxBandText)
}
