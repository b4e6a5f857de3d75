package main

import (
	"errors"
	"io/fs"
	"os"
	"sync"
	"time"

	"github.com/fairlead/fairlead/observability/usage"
	"github.com/fairlead/fairlead/platform"
)

// maxPriceFile bounds what is read as a price file.
const maxPriceFile = 1 << 20

// priceFile reads prices, and reads them again when the file changes.
type priceFile struct {
	path     string
	required bool // a file that was named must be there; the one of the state folder may be missing

	mu       sync.Mutex // guards the fields below
	size     int64
	modified time.Time
	known    bool
	prices   *usage.Prices
	err      error
}

// Prices returns what the file says now. Of a file that is wrong it returns the error and the last good prices.
func (f *priceFile) Prices() (*usage.Prices, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	info, err := os.Stat(f.path)
	if errors.Is(err, fs.ErrNotExist) && !f.required {
		f.known, f.prices, f.err = false, nil, nil
		return nil, nil //nolint:nilnil // nil is the answer: nothing has a price
	}
	if err != nil {
		f.known = false
		return f.prices, unreadable(f.path, err)
	}
	if f.known && info.Size() == f.size && info.ModTime().Equal(f.modified) {
		return f.prices, f.err
	}
	f.known, f.size, f.modified = true, info.Size(), info.ModTime()
	fresh, err := f.read(info.Size())
	if f.err = err; err == nil {
		f.prices = fresh
	}
	return f.prices, f.err
}

func (f *priceFile) read(size int64) (*usage.Prices, error) {
	if size > maxPriceFile {
		return nil, platform.Errorf(platform.CodeInvalid, "The price file %s is larger than 1 MiB.", f.path).WithHint("Name a price file with --prices.").WithField("prices")
	}
	raw, err := os.ReadFile(f.path)
	if err != nil {
		return nil, unreadable(f.path, err)
	}
	return usage.ParsePrices(string(raw))
}

func unreadable(path string, err error) error {
	return platform.Errorf(platform.CodeInvalid, "The price file %s cannot be read: %v.", path, err).WithHint("Name a readable file with --prices.").WithField("prices")
}
