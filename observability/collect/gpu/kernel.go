package gpu

import (
	"errors"
	"io/fs"
	"strings"
	"syscall"
)

// kernelLog reads new records of the kernel's log. Where it may not be read (not root, another kernel) it is empty.
type kernelLog struct {
	path string
	file int // of the open log; -1 before, and when it cannot be read
	open bool
}

func newKernelLog(path string) *kernelLog { return &kernelLog{path: path, file: -1} }

// read returns the records written since the call before. The first call begins at the end: what an earlier boot of
// Fairlead saw is not counted again.
func (k *kernelLog) read() (string, error) {
	if !k.open {
		k.open = true
		file, err := syscall.Open(k.path, syscall.O_RDONLY|syscall.O_NONBLOCK|syscall.O_CLOEXEC, 0)
		switch {
		case errors.Is(err, fs.ErrNotExist), errors.Is(err, fs.ErrPermission):
			return "", nil
		case err != nil:
			return "", err
		}
		const end = 2
		if _, err := syscall.Seek(file, 0, end); err != nil {
			_ = syscall.Close(file)
			return "", err
		}
		k.file = file
		return "", nil
	}
	if k.file < 0 {
		return "", nil
	}
	var text strings.Builder
	record := make([]byte, 8<<10) // one read gives one record, of at most this
	for range maxRecords {
		n, err := syscall.Read(k.file, record)
		switch {
		case errors.Is(err, syscall.EAGAIN), err == nil && n == 0:
			return text.String(), nil
		case errors.Is(err, syscall.EPIPE): // records were overwritten before they were read
			continue
		case err != nil:
			return text.String(), err
		}
		text.Write(record[:n])
		text.WriteByte('\n')
	}
	return text.String(), nil
}

// maxRecords bounds what one look reads of a log that is being flooded.
const maxRecords = 10_000
