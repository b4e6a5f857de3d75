package docker

import (
	"context"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/docker/docker/api/types/container"
)

// Listening returns the TCP addresses that processes in the container listen on, sorted, the engine's own DNS left out.
func (r *Runtime) Listening(ctx context.Context, id string) ([]string, error) {
	doing := "read the ports of container " + short(id)
	found, err := r.owned(ctx, doing, id)
	if err != nil {
		return nil, err
	}
	if !found.State.Running {
		return nil, notRunning(doing)
	}
	tables, err := hostTables(found)
	if err != nil {
		tables, err = r.execTables(ctx, found.ID)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", doing, err)
	}
	return listeners(tables), nil
}

// socketTables are the kernel's lists of TCP sockets, IPv4 then IPv6, of a process's network.
var socketTables = []string{"net/tcp", "net/tcp6"}

// hostTables reads them through the container's process on this host, which needs no program inside the container.
func hostTables(found container.InspectResponse) (string, error) {
	process := filepath.Join("/proc", strconv.Itoa(found.State.Pid))
	// The engine may number processes in another namespace than ours (a virtual machine, Fairlead in a container):
	// then this is no process, or a stranger.
	group, err := os.ReadFile(filepath.Join(process, "cgroup"))
	if err != nil {
		return "", err
	}
	if !strings.Contains(string(group), found.ID) {
		return "", fmt.Errorf("process %d is not the container's on this host", found.State.Pid)
	}
	var all strings.Builder
	for _, table := range socketTables {
		text, err := os.ReadFile(filepath.Join(process, table))
		if os.IsNotExist(err) {
			continue // a kernel without IPv6
		}
		if err != nil {
			return "", err
		}
		all.Write(text)
	}
	return all.String(), nil
}

// execTables reads them with the container's own cat, where it has one.
func (r *Runtime) execTables(ctx context.Context, id string) (string, error) {
	argv := []string{"cat"}
	for _, table := range socketTables {
		argv = append(argv, filepath.Join("/proc", table))
	}
	result, err := r.Exec(ctx, id, argv)
	if err != nil {
		return "", err
	}
	if result.Stdout == "" || !strings.Contains(result.Stdout, "local_address") {
		return "", fmt.Errorf("the image has no cat to read /proc/net/tcp with, and the engine runs on another host")
	}
	return result.Stdout, nil
}

// stateListen is TCP_LISTEN of the kernel's include/net/tcp_states.h, as /proc writes it.
const stateListen = "0A"

var engineDNS = netip.MustParseAddr("127.0.0.11")

// listeners reads /proc/net/tcp: "sl local_address rem_address st ...", an address being hex words in host order.
func listeners(tables string) []string {
	var found []netip.AddrPort
	for _, line := range strings.Split(tables, "\n") {
		fields := strings.Fields(line)
		const local, state = 1, 3
		if len(fields) <= state || fields[state] != stateListen {
			continue
		}
		at, ok := parseSocket(fields[local])
		if ok && at.Addr() != engineDNS {
			found = append(found, at)
		}
	}
	slices.SortFunc(found, func(a, b netip.AddrPort) int { return a.Compare(b) })
	found = slices.Compact(found)
	text := make([]string, 0, len(found))
	for _, at := range found {
		text = append(text, at.String())
	}
	return text
}

func parseSocket(text string) (netip.AddrPort, bool) {
	address, port, ok := strings.Cut(text, ":")
	raw, err := hex.DecodeString(address)
	if !ok || err != nil || len(raw)%4 != 0 {
		return netip.AddrPort{}, false
	}
	for i := 0; i < len(raw); i += 4 {
		// Each 32-bit word is printed as a number: turn it back to the order of the wire.
		binary.BigEndian.PutUint32(raw[i:], binary.NativeEndian.Uint32(raw[i:]))
	}
	ip, ok := netip.AddrFromSlice(raw)
	number, err := strconv.ParseUint(port, 16, 16)
	if !ok || err != nil {
		return netip.AddrPort{}, false
	}
	return netip.AddrPortFrom(ip, uint16(number)), true
}
