package observability

import (
	"math"
	"strings"
)

// Further metrics that Fairlead samples; the first ones are in observability.go.
const (
	MetricMemoryUsage = "fairlead_instance_memory_usage_bytes"
	MetricPressure    = "fairlead_instance_pressure_seconds_total"
	MetricOOMKills    = "fairlead_instance_oom_kills_total"
	MetricInFlight    = "fairlead_instance_requests_in_flight"
	MetricInstanceGPU = "fairlead_instance_gpu_memory_bytes"

	MetricScrapeUp      = "up"
	MetricScrapeSeconds = "fairlead_scrape_seconds"
	MetricScrapeSamples = "fairlead_scrape_samples"
	MetricScrapeCut     = "fairlead_scrape_cut_total"

	MetricReplicas      = "fairlead_slot_replicas"
	MetricInstances     = "fairlead_slot_instances"
	MetricRestarts      = "fairlead_slot_restarts_total"
	MetricSlotOOMKills  = "fairlead_slot_oom_kills_total"
	MetricDeploys       = "fairlead_deploys_total"
	MetricDeploysOpen   = "fairlead_deploys_open"
	MetricDeploySeconds = "fairlead_deploy_seconds"
	MetricBuildSeconds  = "fairlead_build_seconds"
	MetricIncidents     = "fairlead_incidents_total"
	MetricIncidentsOpen = "fairlead_incidents_open"

	MetricDiskUsed     = "fairlead_disk_used_bytes"
	MetricDiskCapacity = "fairlead_disk_capacity_bytes"
	MetricDiskFull     = "fairlead_disk_full_seconds"

	MetricHostCPU        = "fairlead_host_cpu_seconds_total"
	MetricHostCPUs       = "fairlead_host_cpus"
	MetricHostLoad       = "fairlead_host_load"
	MetricHostMemory     = "fairlead_host_memory_bytes"
	MetricHostPressure   = "fairlead_host_pressure_seconds_total"
	MetricHostNetRx      = "fairlead_host_network_receive_bytes_total"
	MetricHostNetTx      = "fairlead_host_network_transmit_bytes_total"
	MetricFSSize         = "fairlead_filesystem_size_bytes"
	MetricFSFree         = "fairlead_filesystem_free_bytes"
	MetricFSInodes       = "fairlead_filesystem_inodes"
	MetricFSInodesFree   = "fairlead_filesystem_inodes_free"
	MetricFSFull         = "fairlead_filesystem_full_seconds"
	MetricGPUUse         = "fairlead_gpu_utilization_ratio"
	MetricGPUMemoryUsed  = "fairlead_gpu_memory_used_bytes"
	MetricGPUMemoryTotal = "fairlead_gpu_memory_total_bytes"
	MetricGPUTemperature = "fairlead_gpu_temperature_celsius"
	MetricGPUPower       = "fairlead_gpu_power_watts"
	MetricGPUPowerLimit  = "fairlead_gpu_power_limit_watts"
	MetricGPUXid         = "fairlead_gpu_xid_errors_total"

	MetricQueueJobs   = "fairlead_queue_jobs"
	MetricQueueOldest = "fairlead_queue_oldest_seconds"
	MetricAPIRequests = "fairlead_api_requests_total"
	MetricAPISeconds  = "fairlead_api_request_seconds"
	MetricAPIStreams  = "fairlead_api_streams"
	MetricToolCalls   = "fairlead_mcp_calls_total"
	MetricToolSeconds = "fairlead_mcp_call_seconds"
	MetricJobs        = "fairlead_jobs_total"
	MetricJobSeconds  = "fairlead_job_seconds"
	MetricTraceSpans  = "fairlead_trace_spans_total"

	MetricSpoolLines      = "fairlead_log_spool_lines"
	MetricSpoolBytes      = "fairlead_log_spool_bytes"
	MetricSpoolOldest     = "fairlead_log_spool_oldest_seconds"
	MetricSpoolSent       = "fairlead_log_spool_sent_lines_total"
	MetricSpoolDropped    = "fairlead_log_spool_dropped_lines_total"
	MetricSpoolRefused    = "fairlead_log_spool_refused_lines_total"
	MetricSpoolUnreadable = "fairlead_log_spool_unreadable_lines_total"

	MetricForwarded      = "fairlead_remote_write_samples_total"
	MetricForwardWaiting = "fairlead_remote_write_waiting_samples"
	MetricInfo           = "fairlead_info"
)

// StaleMarker is the value that ends a series: what comes after it begins anew, and until then the series has no value.
// It is the one that Prometheus uses, a NaN with bits of its own: compare with IsStale.
var StaleMarker = math.Float64frombits(0x7ff0000000000002)

// IsStale reports whether v ends a series.
func IsStale(v float64) bool { return math.Float64bits(v) == math.Float64bits(StaleMarker) }

// MetricKind is how the values of a metric are to be read.
type MetricKind string

// The kinds of metric.
const (
	Counter   MetricKind = "counter"   // rises, and begins at zero again when what it counts does
	Gauge     MetricKind = "gauge"     // goes up and down
	Histogram MetricKind = "histogram" // name_bucket with the label le, name_sum, name_count
)

// Description says what one metric of Fairlead is.
type Description struct {
	Name   string     `json:"name"`
	Kind   MetricKind `json:"kind"`
	Help   string     `json:"help"`
	Labels []string   `json:"labels"` // le of histograms aside
}

// Labels that the metrics of an instance, a slot and a release carry.
var (
	slotLabels     = []string{"project", "environment", "service"}
	releaseLabels  = with(slotLabels, "release")
	instanceLabels = with(releaseLabels, "instance")
)

func with(labels []string, more ...string) []string {
	return append(append([]string(nil), labels...), more...)
}

// Catalogue is every metric that Fairlead itself measures. What the stores hold besides these comes from applications,
// and from the process itself by the names that the Prometheus client gives (go_, process_).
var Catalogue = []Description{
	{MetricRequests, Counter, "Requests answered by the router, by class of status; none when no instance answered.", with(releaseLabels, "class")},
	{"fairlead_request_seconds", Histogram, "Time to the first byte of an answer.", releaseLabels},

	{MetricCPU, Counter, "CPU time used by the instance.", instanceLabels},
	{MetricThrottled, Counter, "Time that the instance was held back by its CPU limit.", instanceLabels},
	{MetricMemory, Gauge, "Working set: what counts towards an out-of-memory kill.", instanceLabels},
	{MetricMemoryUsage, Gauge, "Memory used, file cache included.", instanceLabels},
	{MetricMemoryLimit, Gauge, "Memory limit; that of the host where none is set.", instanceLabels},
	{MetricOOMKills, Counter, "Processes of the instance killed for want of memory.", instanceLabels},
	{MetricNetRx, Counter, "Bytes received.", instanceLabels},
	{MetricNetTx, Counter, "Bytes sent.", instanceLabels},
	{MetricReadBytes, Counter, "Bytes read from disks.", instanceLabels},
	{MetricWriteBytes, Counter, "Bytes written to disks.", instanceLabels},
	{MetricPIDs, Gauge, "Processes and threads.", instanceLabels},
	{MetricPressure, Counter, "Time that some or all processes of the instance waited for cpu, memory or io.", with(instanceLabels, "resource", "kind")},
	{MetricInstanceGPU, Gauge, "GPU memory used by the instance.", with(instanceLabels, "gpu")},

	{MetricInFlight, Gauge, "Requests that the router waits for the instance to answer: its queue.", with(slotLabels, "instance")},
	{MetricUp, Gauge, "1 while the last health check of the instance passed, 0 while it starts or fails.", instanceLabels},
	{MetricScrapeUp, Gauge, "1 when the instance's own metrics could be read.", instanceLabels},
	{MetricScrapeSeconds, Gauge, "How long reading them took.", instanceLabels},
	{MetricScrapeSamples, Gauge, "Samples read.", instanceLabels},
	{MetricScrapeCut, Counter, "Samples left out: over the limit, malformed, or with a name that Fairlead keeps for itself.", instanceLabels},

	{MetricReplicas, Gauge, "Instances wanted.", slotLabels},
	{MetricInstances, Gauge, "Instances that have not ended, by state.", with(slotLabels, "state")},
	{MetricRestarts, Counter, "Instances that ended by themselves and were replaced.", slotLabels},
	{MetricSlotOOMKills, Counter, "Instances that ended for want of memory.", slotLabels},
	{MetricDeploys, Counter, "Deploys that ended, by how.", with(slotLabels, "result")},
	{MetricDeploysOpen, Gauge, "Deploys under way, by phase.", with(slotLabels, "phase")},
	{MetricDeploySeconds, Histogram, "Time of deploys that went live, from being asked for.", slotLabels},
	{MetricBuildSeconds, Histogram, "Time of image builds that ended well.", slotLabels},
	{MetricIncidents, Counter, "Incidents opened, by signal.", with(slotLabels, "signal")},
	{MetricIncidentsOpen, Gauge, "Incidents that are open, by signal.", with(slotLabels, "signal")},
	{MetricDiskUsed, Gauge, "Bytes on the service's disk.", with(slotLabels, "disk")},
	{MetricDiskCapacity, Gauge, "Bytes that the disk was asked to hold; the file system below it may hold less.", with(slotLabels, "disk")},
	{MetricDiskFull, Gauge, "Seconds until the disk is full if it goes on as in the last hours; absent when that cannot be told.", with(slotLabels, "disk")},

	{MetricHostCPU, Counter, "CPU time of the host by mode, over all processors.", []string{"mode"}},
	{MetricHostCPUs, Gauge, "Processors of the host.", nil},
	{MetricHostLoad, Gauge, "Load average of the host.", []string{"window"}},
	{MetricHostMemory, Gauge, "Memory of the host: total, available, swap_total, swap_free.", []string{"kind"}},
	{MetricHostPressure, Counter, "Time that some or all processes of the host waited for cpu, memory or io.", []string{"resource", "kind"}},
	{MetricHostNetRx, Counter, "Bytes received by the host.", []string{"device"}},
	{MetricHostNetTx, Counter, "Bytes sent by the host.", []string{"device"}},
	{MetricFSSize, Gauge, "Size of the file system below the engine's or Fairlead's folder.", []string{"folder"}},
	{MetricFSFree, Gauge, "Bytes free there.", []string{"folder"}},
	{MetricFSInodes, Gauge, "Inodes of that file system.", []string{"folder"}},
	{MetricFSInodesFree, Gauge, "Inodes free there.", []string{"folder"}},
	{MetricFSFull, Gauge, "Seconds until it is full if it goes on as in the last hours; absent when that cannot be told.", []string{"folder"}},
	{MetricGPUUse, Gauge, "Share of time that the GPU worked.", []string{"gpu", "model"}},
	{MetricGPUMemoryUsed, Gauge, "GPU memory used.", []string{"gpu", "model"}},
	{MetricGPUMemoryTotal, Gauge, "GPU memory.", []string{"gpu", "model"}},
	{MetricGPUTemperature, Gauge, "Temperature of the GPU.", []string{"gpu", "model"}},
	{MetricGPUPower, Gauge, "Power drawn by the GPU.", []string{"gpu", "model"}},
	{MetricGPUPowerLimit, Gauge, "Power that the GPU may draw.", []string{"gpu", "model"}},
	{MetricGPUXid, Counter, "Errors that the GPU's driver reported since Fairlead started, by their Xid.", []string{"gpu", "xid"}},

	{MetricQueueJobs, Gauge, "Jobs by kind and state.", []string{"kind", "state"}},
	{MetricQueueOldest, Gauge, "How long the oldest job that is due has waited.", []string{"kind"}},
	{MetricAPIRequests, Counter, "Requests to the API, MCP and Git, by the template of their path and the class of their status; other is where there is nothing.", []string{"route", "method", "class"}},
	{MetricAPISeconds, Histogram, "Time of those requests, to the end of the answer; streams aside.", []string{"route", "method"}},
	{MetricAPIStreams, Gauge, "Streams that are open: followers of logs and events, and MCP sessions that listen.", []string{"route"}},
	{MetricToolCalls, Counter, "Calls of MCP tools: done, refused (the answer says why) or failed.", []string{"tool", "result"}},
	{MetricToolSeconds, Histogram, "Time of those calls.", []string{"tool"}},
	{MetricJobs, Counter, "Looks at jobs: done, again (it waits for something) or failed (tried again).", []string{"kind", "result"}},
	{MetricJobSeconds, Histogram, "Time of looks at jobs.", []string{"kind"}},
	{MetricTraceSpans, Counter, "Spans of Fairlead's own work that the collector took (sent) or that were lost because it did not (lost).", []string{"result"}},
	{MetricSpoolLines, Gauge, "Lines that wait on disk for the log store (receiver _store) or a receiver of forward.yaml.", []string{"receiver"}},
	{MetricSpoolBytes, Gauge, "Bytes of that spool on disk.", []string{"receiver"}},
	{MetricSpoolOldest, Gauge, "How long the oldest of these lines has waited.", []string{"receiver"}},
	{MetricSpoolSent, Counter, "Lines that the store or the receiver took since Fairlead started.", []string{"receiver"}},
	{MetricSpoolDropped, Counter, "Lines dropped for want of room, by level.", []string{"receiver", "level"}},
	{MetricSpoolRefused, Counter, "Lines that the store or the receiver refused for good.", []string{"receiver"}},
	{MetricSpoolUnreadable, Counter, "Lines that the disk lost.", []string{"receiver"}},
	{MetricForwarded, Counter, "Samples given to remote write, by what became of them.", []string{"result"}},
	{MetricForwardWaiting, Gauge, "Samples that wait for the remote write server.", nil},
	{MetricInfo, Gauge, "1, with the version.", []string{"version"}},
}

var byMetricName = func() map[string]Description {
	m := make(map[string]Description, len(Catalogue))
	for _, d := range Catalogue {
		m[d.Name] = d
	}
	return m
}()

// Describe returns the description of the metric that a series of that name belongs to; false for what is not
// Fairlead's own.
func Describe(name string) (Description, bool) {
	if d, ok := byMetricName[name]; ok && d.Kind != Histogram {
		return d, true
	}
	for _, suffix := range []string{"_bucket", "_sum", "_count"} {
		if base, found := strings.CutSuffix(name, suffix); found {
			if d, ok := byMetricName[base]; ok && d.Kind == Histogram {
				return d, true
			}
		}
	}
	return Description{}, false
}
