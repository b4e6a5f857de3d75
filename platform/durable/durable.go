// Package durable replaces files so that a crash of the process or a loss of power leaves the old one or the new one,
// whole, and never a part.
//
// It owns the order of the steps (write beside it, sync, rename, sync the folder) and the names of unfinished files. It
// must not know what is in a file. Standard library only.
package durable

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// unfinished begins the names of files that are being written.
const unfinished = ".new-"

// Replace puts what write writes at path, readable by its owner only. When it returns nil the new file survives a loss of
// power; when it returns an error the old one may still be there, or the new one where only the folder cannot be synced.
func Replace(path string, write func(*os.File) error) error {
	file, err := Create(path, write)
	if err != nil {
		return err
	}
	if err := file.Close(); err != nil {
		return fmt.Errorf("close %s: %w", filepath.Base(path), err)
	}
	return nil
}

// Create is Replace that returns the new file, still open for reading and writing.
func Create(path string, write func(*os.File) error) (*os.File, error) {
	file, err := os.CreateTemp(filepath.Dir(path), unfinished+"*") // mode 0600
	if err != nil {
		return nil, fmt.Errorf("make a temporary file: %w", err)
	}
	err = write(file)
	if err == nil {
		err = file.Sync()
	}
	if err == nil {
		err = os.Rename(file.Name(), path)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("write %s: %w", filepath.Base(path), err), file.Close(), ignoreMissing(os.Remove(file.Name())))
	}
	if err := SyncFolder(filepath.Dir(path)); err != nil {
		return nil, errors.Join(fmt.Errorf("write %s: %w", filepath.Base(path), err), file.Close())
	}
	return file, nil
}

// Bytes returns what writes the content, for Replace and Create.
func Bytes(content []byte) func(*os.File) error {
	return func(file *os.File) error {
		_, err := file.Write(content)
		return err
	}
}

// Clear removes the unfinished files that a crash left in a folder. Nothing may be writing there.
func Clear(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return fmt.Errorf("read the folder: %w", err)
	}
	for _, entry := range entries {
		if !strings.HasPrefix(entry.Name(), unfinished) {
			continue
		}
		if err := os.Remove(filepath.Join(dir, entry.Name())); err != nil {
			return fmt.Errorf("remove an unfinished file: %w", err)
		}
	}
	return nil
}

// SyncFolder makes durable which names a folder has.
func SyncFolder(dir string) error {
	folder, err := os.Open(dir)
	if err != nil {
		return fmt.Errorf("open the folder: %w", err)
	}
	if err := errors.Join(folder.Sync(), folder.Close()); err != nil {
		return fmt.Errorf("sync the folder: %w", err)
	}
	return nil
}

func ignoreMissing(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}
