package gpu

import (
	"regexp"
	"strconv"
	"strings"
)

// deviceFields is what nvidia-smi is asked for, in the order in which parseDevices reads it.
const deviceFields = "index,uuid,pci.bus_id,name,utilization.gpu,memory.used,memory.total,temperature.gpu,power.draw,power.limit"

// device is one GPU; what it does not measure is nil.
type device struct {
	index, uuid, bus, model                                      string
	use, memoryUsed, memoryTotal, temperature, power, powerLimit *float64
}

// parseDevices reads one line a device; lines of another shape are left out.
func parseDevices(text string) []device {
	const mib = 1 << 20
	var out []device
	for _, f := range rows(text, 10) {
		out = append(out, device{
			index: f[0], uuid: f[1], bus: f[2], model: f[3], use: number(f[4], 0.01), memoryUsed: number(f[5], mib), memoryTotal: number(f[6], mib),
			temperature: number(f[7], 1), power: number(f[8], 1), powerLimit: number(f[9], 1),
		})
	}
	return out
}

// holding is the memory that one process holds on one device.
type holding struct {
	uuid  string
	pid   int
	bytes float64
}

// parseHoldings reads one line a process; one whose memory is not told (in a container without rights, on a MIG device)
// is left out.
func parseHoldings(text string) []holding {
	var out []holding
	for _, f := range rows(text, 3) {
		pid, err := strconv.Atoi(f[1])
		bytes := number(f[2], 1<<20)
		if err == nil && bytes != nil {
			out = append(out, holding{uuid: f[0], pid: pid, bytes: *bytes})
		}
	}
	return out
}

// rows splits comma-separated lines; a name with a comma in it stays whole, since it is the fourth field of ten.
func rows(text string, fields int) [][]string {
	var out [][]string
	for line := range strings.Lines(text) {
		parts := strings.Split(strings.TrimSpace(line), ",")
		for i := range parts {
			parts[i] = strings.TrimSpace(parts[i])
		}
		if extra := len(parts) - fields; extra > 0 && fields == 10 {
			name := strings.Join(parts[3:4+extra], ", ")
			parts = append(append(append([]string(nil), parts[:3]...), name), parts[4+extra:]...)
		}
		if len(parts) == fields {
			out = append(out, parts)
		}
	}
	return out
}

// number reads a field times its unit; nil for [N/A], [Not Supported], [Insufficient Permissions].
func number(text string, unit float64) *float64 {
	value, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return nil
	}
	value *= unit
	return &value
}

// xid is one error that the driver reported.
type xid struct {
	bus  string
	code int
}

// xidLine is how the driver writes it, for example
//
//	NVRM: Xid (PCI:0000:1b:00): 79, pid=1234, name=python, GPU has fallen off the bus.
var xidLine = regexp.MustCompile(`NVRM: Xid \(PCI:([0-9A-Fa-f:.]+)\): (\d{1,4})\b`)

func parseXids(text string) []xid {
	var out []xid
	for _, m := range xidLine.FindAllStringSubmatch(text, -1) {
		code, err := strconv.Atoi(m[2])
		if err == nil {
			out = append(out, xid{bus: m[1], code: code})
		}
	}
	return out
}

// Meaning is what an Xid says.
type Meaning struct {
	Text string
	// Fault is where to look: the application that ran, the hardware, or the driver.
	Fault string
	// Reset is true when the device is of no use until it is reset or the host is started anew.
	Reset bool
}

// meanings are the Xids that operators meet, after NVIDIA's "XID Errors" catalogue.
var meanings = map[int]Meaning{
	8:   {"The GPU stopped processing: a kernel ran for too long, or it hangs.", "application", false},
	13:  {"Graphics engine exception: a kernel read or wrote outside its memory.", "application", false},
	31:  {"Memory page fault: a kernel used an address that is not mapped.", "application", false},
	32:  {"The command stream of a process was corrupted, by the driver or on the bus.", "driver", false},
	43:  {"A process's channel was reset after a fault of its own; the GPU goes on.", "application", false},
	45:  {"A process's channel was ended, by a fault before this or because the process was killed.", "application", false},
	48:  {"A double-bit memory error that cannot be corrected.", "hardware", true},
	61:  {"The GPU's internal controller reported a breakpoint or warning.", "hardware", true},
	62:  {"The GPU's internal controller halted.", "hardware", true},
	63:  {"A row of memory was remapped, or a page retired, after an error.", "hardware", false},
	64:  {"A row of memory could not be remapped, or a page not retired.", "hardware", true},
	74:  {"An error on an NVLink connection.", "hardware", true},
	79:  {"The GPU has fallen off the bus: it does not answer any more.", "hardware", true},
	92:  {"Many single-bit memory errors.", "hardware", false},
	94:  {"A memory error was contained: only the process that met it was ended.", "hardware", false},
	95:  {"A memory error was not contained: every process on the GPU is suspect.", "hardware", true},
	109: {"A context switch of the GPU took too long.", "application", false},
	119: {"The GPU's system processor did not answer in time.", "driver", true},
	120: {"The GPU's system processor reported an error.", "driver", true},
}

// Explain returns what an Xid means; false for those that are not in the table.
func Explain(code int) (Meaning, bool) {
	m, ok := meanings[code]
	return m, ok
}
