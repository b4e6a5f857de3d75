package embedded

import (
	"flag"
	"fmt"
	"log"
	"os"
	"strconv"
	"sync"
	"syscall"

	_ "github.com/fairlead/fairlead/observability/embedded/quiet" // before the library is initialised
	"github.com/fairlead/fairlead/platform"
)

func init() { log.SetOutput(os.Stderr) } // the library is initialised; see package quiet

var prepareOnce sync.Once

// prepareLibrary sets the process-wide flags that the storage library reads. It refuses to work before flag.Parse was
// called; a test binary has called it, with its own flags, and the product's binary never does.
func prepareLibrary(memoryBytes int64) {
	prepareOnce.Do(func() {
		set := func(name, value string) {
			if err := flag.Set(name, value); err != nil {
				panic("embedded: the log library has no flag " + name + ": " + err.Error())
			}
		}
		set("memory.allowedBytes", strconv.FormatInt(memoryBytes, 10))
		set("loggerLevel", "ERROR")
		if !flag.Parsed() {
			_ = flag.CommandLine.Parse(nil)
		}
	})
}

// lockFile takes the lock of a folder for as long as the file stays open. A kill of the process frees it.
func lockFile(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		_ = f.Close()
		return nil, ErrInUse
	}
	return f, nil
}

// checkFolder finds what would make the storage library end the process: a folder that cannot be written, or a full disk.
func checkFolder(dir string, minFree int64) error {
	probe, err := os.CreateTemp(dir, "probe-")
	if err != nil {
		return fmt.Errorf("write to the log folder: %w", err)
	}
	defer func() { _ = os.Remove(probe.Name()) }()
	if err := probe.Close(); err != nil {
		return fmt.Errorf("write to the log folder: %w", err)
	}
	var stat syscall.Statfs_t
	if err := syscall.Statfs(dir, &stat); err != nil {
		return fmt.Errorf("read the free space of the log folder: %w", err)
	}
	if free := int64(stat.Bavail) * stat.Bsize; free < minFree {
		return platform.Errorf(platform.CodeUnavailable, "The disk that holds %s has %d MiB free; the log store needs %d MiB.", dir, free>>20, minFree>>20).
			WithHint("Free space there, or move the state folder with FAIRLEAD_STATE.")
	}
	return nil
}
