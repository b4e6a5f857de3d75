package docker

import (
	"bufio"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/fairlead/fairlead/platform/runtime"
)

// groupStats adds what only the kernel's control group of the container says. root is "/" but in tests. Where the group
// cannot be read (an engine elsewhere, an old kernel) nothing is added: that is no fault.
func groupStats(root string, pid int, id string, made *runtime.Stats) {
	memberships, err := os.ReadFile(filepath.Join(root, "proc", strconv.Itoa(pid), "cgroup"))
	if err != nil {
		return
	}
	unified, memory := groupPaths(string(memberships), id)
	groups := filepath.Join(root, "sys/fs/cgroup")
	if unified != "" {
		// Version 2 alone, or in its corner beside the controllers of version 1.
		for _, place := range []string{groups, filepath.Join(groups, "unified")} {
			readGroup(filepath.Join(place, unified), made)
		}
	}
	if memory != "" && made.OOMKills == nil {
		made.OOMKills = oomKills(filepath.Join(groups, "memory", memory, "memory.oom_control"))
	}
}

func readGroup(group string, made *runtime.Stats) {
	for _, resource := range []string{"cpu", "memory", "io"} {
		if text, err := os.ReadFile(filepath.Join(group, resource+".pressure")); err == nil {
			made.Pressure = append(made.Pressure, parsePressure(resource, string(text)))
		}
	}
	if kills := oomKills(filepath.Join(group, "memory.events")); kills != nil {
		made.OOMKills = kills
	}
}

// groupPaths finds the container's groups in /proc/<pid>/cgroup: that of version 2 and the memory group of version 1.
// A path without the container's id is another process's: the engine may number processes in another namespace.
func groupPaths(memberships, id string) (unified, memory string) {
	for line := range strings.Lines(memberships) {
		parts := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(parts) != 3 || !strings.Contains(parts[2], id) {
			continue
		}
		switch {
		case parts[0] == "0" && parts[1] == "":
			unified = parts[2]
		case parts[1] == "memory":
			memory = parts[2]
		}
	}
	return unified, memory
}

// parsePressure reads a file of pressure stall information. Its last column is microseconds.
//
//	some avg10=0.00 avg60=0.00 avg300=0.00 total=1234
//	full avg10=0.00 avg60=0.00 avg300=0.00 total=567
func parsePressure(resource, text string) runtime.Pressure {
	p := runtime.Pressure{Resource: resource}
	for line := range strings.Lines(text) {
		_, total, found := strings.Cut(line, "total=")
		micros, err := strconv.ParseInt(strings.TrimSpace(total), 10, 64)
		if !found || err != nil {
			continue
		}
		switch {
		case strings.HasPrefix(line, "some"):
			p.Some = time.Duration(micros) * time.Microsecond
		case strings.HasPrefix(line, "full"):
			p.Full = time.Duration(micros) * time.Microsecond
		}
	}
	return p
}

// oomKills reads the line "oom_kill N", which both versions have; nil where there is none.
func oomKills(path string) *int64 {
	file, err := os.Open(path)
	if err != nil {
		return nil
	}
	defer file.Close()
	for lines := bufio.NewScanner(file); lines.Scan(); {
		if text, found := strings.CutPrefix(lines.Text(), "oom_kill "); found {
			if n, err := strconv.ParseInt(text, 10, 64); err == nil {
				return &n
			}
		}
	}
	return nil
}
