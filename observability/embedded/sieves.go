package embedded

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"
)

// Limits of a layer, after which the next one begins.
const (
	layerLines = 8192
	// thickOnes is how many bits of a layer are set when it hardly says no any more; then it is full at half of the lines.
	thickOnes = (1 << sieveBits) * 7 / 10
	// layerIdle is how long a day gets no line before its last layer counts as full.
	layerIdle = 10 * time.Minute
)

// sieves are the layers of a store, in two files for each day:
//
//	20261125       the layers that are full, one after the other
//	20261125.open  the changes to the layer that is not, while there is one
//
// Every change is in the file before its lines are given to the library, so a kill of the process leaves no line without
// its bits. A loss of power may: then the days with a layer that was not full are read whole.
type sieves struct {
	dir string

	mu   sync.Mutex // guards the fields below
	days map[string]*sieveDay
	now  func() time.Time
}

// sieveDay is one day.
type sieveDay struct {
	name  string
	blind bool // what was stored is not known, and the day must be read whole

	open    *layer   // that is not full; nil without one
	changes *os.File // the changes to it
	fresh   []uint16 // bits of it that are not in the file
	times   span     // of the lines that are not in the file
	lines   uint32   // their number
	ones    int
	touched time.Time
}

// Names of files beside the days.
const (
	openSuffix  = ".open"
	stateName   = "state"
	stateClosed = "closed"
)

// openSieves opens the sieves in dir, making it where it does not exist. days are those that the library has: of those
// without a sieve nothing is known.
func openSieves(dir string, days []string, now func() time.Time) (*sieves, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make the folder of sieves: %w", err)
	}
	s := &sieves{dir: dir, days: map[string]*sieveDay{}, now: now}
	state, _ := os.ReadFile(s.path(stateName))
	boot := bootID()
	trusted := string(state) == stateClosed || boot != "" && string(state) == boot
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("list the sieves: %w", err)
	}
	for _, e := range entries {
		name, open := strings.CutSuffix(e.Name(), openSuffix)
		if _, err := time.Parse(dayLayout, name); err != nil {
			continue
		}
		if !slices.Contains(days, name) {
			if err := os.Remove(s.path(e.Name())); err != nil {
				return nil, fmt.Errorf("remove the sieve of a day that is gone: %w", err)
			}
			continue
		}
		if s.days[name] == nil {
			s.days[name] = &sieveDay{name: name}
		}
		if !open {
			continue
		}
		if err := s.recover(s.days[name], trusted); err != nil {
			return nil, fmt.Errorf("read the sieve of %s: %w", name, err)
		}
	}
	for _, name := range days {
		if s.days[name] == nil {
			s.days[name] = &sieveDay{name: name}
			if err := s.makeBlind(s.days[name]); err != nil {
				return nil, err
			}
		}
	}
	return s, s.writeState(boot)
}

// bootID tells one run of the machine from another; "" where it cannot be known.
func bootID() string {
	raw, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(raw))
}

func (s *sieves) path(name string) string { return filepath.Join(s.dir, name) }

func (s *sieves) writeState(state string) error {
	if err := writeSynced(s.path(stateName), []byte(state), os.O_TRUNC); err != nil {
		return fmt.Errorf("note that sieves are in use: %w", err)
	}
	return syncFolder(s.dir)
}

// recover makes a full layer of the changes that a run before left.
func (s *sieves) recover(d *sieveDay, trusted bool) error {
	if !trusted {
		if err := s.makeBlind(d); err != nil {
			return err
		}
		return os.Remove(s.path(d.name + openSuffix))
	}
	changes, err := os.ReadFile(s.path(d.name + openSuffix))
	if err != nil {
		return err
	}
	d.open = &layer{}
	d.open.replay(changes)
	return s.retire(d)
}

// makeBlind notes for good that a day must be read whole.
func (s *sieves) makeBlind(d *sieveDay) error {
	all := layer{span: dayOf(d.name), lines: 1}
	all.sieve.fill()
	d.blind = true
	if err := writeSynced(s.path(d.name), all.encode(), os.O_TRUNC); err != nil {
		return fmt.Errorf("note that a day has no sieve: %w", err)
	}
	return nil
}

// dayOf is the whole of a day.
func dayOf(name string) span {
	from, err := time.Parse(dayLayout, name)
	if err != nil {
		return span{}
	}
	return span{from.UnixNano(), from.AddDate(0, 0, 1).UnixNano() - 1}
}

// add notes a line that will be stored.
func (s *sieves) add(day string, at int64, message string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	d := s.days[day]
	if d == nil {
		d = &sieveDay{name: day}
		s.days[day] = d
	}
	if d.blind {
		return
	}
	if d.open == nil {
		d.open, d.ones = &layer{}, 0
	}
	before := len(d.fresh)
	d.fresh = d.open.note(at, message, d.fresh)
	d.ones += len(d.fresh) - before
	if d.lines == 0 {
		d.times = span{at, at}
	}
	d.times = span{min(d.times.from, at), max(d.times.to, at)}
	d.lines++
}

// flush writes down what was added. Only after that may the lines be stored: an error says that they may not.
func (s *sieves) flush() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	for _, d := range s.days {
		switch {
		case d.lines > 0:
			if err := s.writeChange(d, now); err != nil {
				return fmt.Errorf("note the words of lines: %w", err)
			}
		case d.changes != nil && now.Sub(d.touched) > layerIdle:
			if err := s.retire(d); err != nil {
				return fmt.Errorf("end the sieve of a day: %w", err)
			}
		}
	}
	return nil
}

// writeChange writes down what was added to a day, and begins another layer once this one is full.
func (s *sieves) writeChange(d *sieveDay, now time.Time) error {
	d.touched = now
	if d.changes == nil {
		var err error
		if d.changes, err = os.OpenFile(s.path(d.name+openSuffix), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600); err == nil {
			err = syncFolder(s.dir)
		}
		if err != nil {
			return s.lose(d, err)
		}
	}
	if _, err := d.changes.Write(encodeChange(nil, d.times, d.lines, d.fresh)); err != nil {
		return s.lose(d, err)
	}
	d.fresh, d.lines = d.fresh[:0], 0
	if d.open.lines < layerLines && (d.open.lines < layerLines/2 || d.ones < thickOnes) {
		return nil
	}
	if err := s.appendLayer(d, false); err != nil {
		return s.lose(d, err)
	}
	if err := d.changes.Truncate(0); err != nil {
		return s.lose(d, err)
	}
	d.open = nil
	return nil
}

// lose gives up the sieve of a day that cannot be written. It must be gone from the disk, since it does not know what is
// stored from now on.
func (s *sieves) lose(d *sieveDay, why error) error {
	if d.changes != nil {
		_ = d.changes.Close()
	}
	d.changes, d.open, d.fresh, d.lines, d.blind = nil, nil, nil, 0, true
	for _, name := range []string{d.name, d.name + openSuffix} { // in this order: what is open makes a day blind after a loss of power
		err := os.Remove(s.path(name))
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err == nil {
			err = syncFolder(s.dir)
		}
		if err != nil {
			return errors.Join(why, err)
		}
	}
	return nil
}

// appendLayer writes the open layer behind those that are full. What a kill left of another one is cut off.
func (s *sieves) appendLayer(d *sieveDay, sync bool) error {
	path := s.path(d.name)
	if info, err := os.Stat(path); err == nil && info.Size()%layerBytes != 0 {
		if err := os.Truncate(path, info.Size()/layerBytes*layerBytes); err != nil {
			return err
		}
	}
	if sync {
		return writeSynced(path, d.open.encode(), os.O_APPEND)
	}
	file, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	_, err = file.Write(d.open.encode())
	return errors.Join(err, file.Close())
}

// retire makes the open layer of a day a full one for good, and the changes to it superfluous.
func (s *sieves) retire(d *sieveDay) error {
	if d.open != nil && d.open.lines > 0 {
		if err := s.appendLayer(d, true); err != nil {
			return err
		}
	} else if err := writeSynced(s.path(d.name), nil, os.O_APPEND); err != nil {
		return err
	}
	if err := syncFolder(s.dir); err != nil {
		return err
	}
	if d.changes != nil {
		_ = d.changes.Close()
	}
	d.changes, d.open, d.ones = nil, nil, 0
	return os.Remove(s.path(d.name + openSuffix))
}

// close makes everything durable that was flushed.
func (s *sieves) close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, d := range s.days {
		if d.changes != nil {
			if err := s.retire(d); err != nil {
				return fmt.Errorf("end the sieve of %s: %w", d.name, err)
			}
		}
	}
	return s.writeState(stateClosed)
}

// drop forgets a day.
func (s *sieves) drop(name string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if d := s.days[name]; d != nil && d.changes != nil {
		_ = d.changes.Close()
	}
	delete(s.days, name)
	for _, file := range []string{name + openSuffix, name} {
		if err := os.Remove(s.path(file)); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
	}
	return nil
}

// narrowing is one search for a text: which parts of the days may hold it, read as the search gets there.
type narrowing struct {
	sieves *sieves
	bits   []uint16 // none when the text is too short to say
	days   map[string][]span
}

// narrow begins a search for a text.
func (s *sieves) narrow(text string) *narrowing {
	return &narrowing{sieves: s, bits: textBits(text), days: map[string][]span{}}
}

// parts returns the parts of a range, in order, outside of which no line holds the text.
func (n *narrowing) parts(within span) []span {
	switch {
	case within.from > within.to:
		return nil
	case len(n.bits) == 0:
		return []span{within}
	}
	var out []span
	for _, name := range n.sieves.daysIn(within) {
		if _, known := n.days[name]; !known {
			n.days[name] = n.sieves.mayHold(name, n.bits)
		}
		out = append(out, n.days[name]...)
	}
	return join(out, within)
}

func (s *sieves) daysIn(within span) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []string
	for name := range s.days {
		if whole := dayOf(name); whole.from <= within.to && whole.to >= within.from {
			out = append(out, name)
		}
	}
	return out
}

// mayHold returns the ranges of a day's layers that may hold a text.
func (s *sieves) mayHold(name string, bits []uint16) []span {
	s.mu.Lock()
	d := s.days[name]
	if d == nil || d.blind {
		s.mu.Unlock()
		return []span{dayOf(name)}
	}
	var out []span
	if d.open != nil && d.open.sieve.mayHold(bits) {
		out = append(out, d.open.span)
	}
	s.mu.Unlock()
	return append(out, s.layersOf(name, bits)...) // a layer that becomes full meanwhile is there twice
}

// layersOf returns the ranges of a day's full layers that may hold a text.
func (s *sieves) layersOf(name string, bits []uint16) []span {
	file, err := os.Open(s.path(name))
	if errors.Is(err, os.ErrNotExist) {
		return nil // none is full yet, or the day is gone
	}
	if err != nil {
		return []span{dayOf(name)}
	}
	defer file.Close()
	var out []span
	const together = 64
	buffer := make([]byte, together*layerBytes)
	for {
		n, err := io.ReadFull(file, buffer)
		for encoded := range slices.Chunk(buffer[:n/layerBytes*layerBytes], layerBytes) {
			l := storedLayer(encoded)
			switch {
			case !l.intact():
				return []span{dayOf(name)}
			case l.mayHold(bits):
				out = append(out, l.span())
			}
		}
		switch {
		case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
			return out
		case err != nil:
			return []span{dayOf(name)}
		}
	}
}

// nearShare is how large a gap between two parts of a range may be, as a share of the range, to be read with them.
const nearShare = 512

// join cuts spans to within, sorts them, and makes one of those that overlap or nearly do.
func join(spans []span, within span) []span {
	near := (within.to - within.from) / nearShare
	slices.SortFunc(spans, func(a, b span) int { return cmp.Compare(a.from, b.from) })
	var out []span
	for _, s := range spans {
		s = span{max(s.from, within.from), min(s.to, within.to)}
		if s.from > s.to {
			continue
		}
		if last := len(out) - 1; last >= 0 && s.from-near <= out[last].to {
			out[last].to = max(out[last].to, s.to)
			continue
		}
		out = append(out, s)
	}
	return out
}

// writeSynced writes to a file, which flag says how to open, and waits until the disk has it.
func writeSynced(path string, data []byte, flag int) error {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|flag, 0o600)
	if err != nil {
		return err
	}
	_, err = file.Write(data)
	if err == nil {
		err = file.Sync()
	}
	return errors.Join(err, file.Close())
}

// syncFolder waits until the disk knows which files the folder has.
func syncFolder(path string) error {
	folder, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(folder.Sync(), folder.Close())
}
