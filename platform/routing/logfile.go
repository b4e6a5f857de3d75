package routing

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
)

// LogOptions are the bounds of a log in files. Zero values mean the defaults.
type LogOptions struct {
	MaxBytes int64 // of one file; default 8 MiB
	Keep     int   // how many files stay; default 8
	// Opened is told of each file that is written from now on; nil for nobody.
	Opened func(*os.File)
}

// LogFile is a log in numbered files of bounded size: 0000000001.log, 0000000002.log, ... Numbers are never used twice,
// and a file is never written again once the next one exists, so that a reader who remembers a number and an offset
// finds its place whatever was rotated or started anew meanwhile. It may be used by many goroutines of one process.
type LogFile struct {
	dir     string
	options LogOptions

	mu     sync.Mutex // guards the fields below
	file   *os.File
	number uint64
	size   int64
}

// LogSuffix is how the names of log files end.
const LogSuffix = ".log"

// OpenLog goes on with the newest file in dir, making both where they do not exist. The caller closes it.
func OpenLog(dir string, options LogOptions) (*LogFile, error) {
	if options.MaxBytes <= 0 {
		options.MaxBytes = 8 << 20
	}
	if options.Keep <= 0 {
		options.Keep = 8
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make the log folder: %w", err)
	}
	l := &LogFile{dir: dir, options: options}
	numbers, err := LogNumbers(dir)
	if err != nil {
		return nil, err
	}
	last := uint64(1)
	if len(numbers) > 0 {
		last = numbers[len(numbers)-1]
	}
	if err := l.open(last); err != nil {
		return nil, err
	}
	return l, l.endLine()
}

// LogNumbers returns the numbers of the log files in dir, lowest first.
func LogNumbers(dir string) ([]uint64, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("read the log folder: %w", err)
	}
	var numbers []uint64
	for _, e := range entries { // sorted by name, and names have one length
		name, ours := strings.CutSuffix(e.Name(), LogSuffix)
		if n, err := strconv.ParseUint(name, 10, 64); ours && err == nil && n > 0 {
			numbers = append(numbers, n)
		}
	}
	return numbers, nil
}

// LogPath returns where the log file of that number is.
func LogPath(dir string, number uint64) string {
	return filepath.Join(dir, fmt.Sprintf("%010d", number)+LogSuffix)
}

func (l *LogFile) open(number uint64) error {
	file, err := os.OpenFile(LogPath(l.dir, number), os.O_CREATE|os.O_APPEND|os.O_RDWR, 0o600)
	if err != nil {
		return fmt.Errorf("open the log: %w", err)
	}
	info, err := file.Stat()
	if err != nil {
		return errors.Join(fmt.Errorf("open the log: %w", err), file.Close())
	}
	before := l.file
	l.file, l.number, l.size = file, number, info.Size()
	if l.options.Opened != nil {
		l.options.Opened(file)
	}
	if before != nil {
		return before.Close()
	}
	return nil
}

// endLine ends the line that a process left unfinished when it was killed.
func (l *LogFile) endLine() error {
	if l.size == 0 {
		return nil
	}
	var last [1]byte
	if _, err := l.file.ReadAt(last[:], l.size-1); err != nil {
		return fmt.Errorf("read the end of the log: %w", err)
	}
	if last[0] == '\n' {
		return nil
	}
	_, err := l.Write([]byte{'\n'})
	return err
}

// Write appends p, which is one line or several, and begins the next file before that when p would be beyond the bound
// of this one. While no next file can be made, this one goes on.
func (l *LogFile) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.file == nil {
		return 0, fs.ErrClosed
	}
	if l.size > 0 && l.size+int64(len(p)) > l.options.MaxBytes {
		l.rotate()
	}
	n, err := l.file.Write(p)
	l.size += int64(n)
	return n, err
}

func (l *LogFile) rotate() {
	if l.open(l.number+1) != nil {
		return
	}
	numbers, err := LogNumbers(l.dir)
	if err != nil {
		return // the next rotation tries again
	}
	for _, n := range numbers {
		if n+uint64(l.options.Keep) <= l.number {
			os.Remove(LogPath(l.dir, n))
		}
	}
}

// Close ends the log. Later writes fail.
func (l *LogFile) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.file == nil {
		return nil
	}
	err := l.file.Close()
	l.file = nil
	return err
}
