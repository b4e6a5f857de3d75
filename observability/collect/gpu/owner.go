package gpu

import (
	"os"
	"path/filepath"
	"regexp"
	"strconv"
)

// containerID is how engines name a container in the path of its control group.
var containerID = regexp.MustCompile(`[0-9a-f]{64}`)

// Container returns the id of the container that a process of this host runs in, "" for none.
func Container(proc string, pid int) string {
	raw, err := os.ReadFile(filepath.Join(proc, strconv.Itoa(pid), "cgroup"))
	if err != nil {
		return ""
	}
	return string(containerID.Find(raw))
}
