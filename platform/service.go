package platform

import "time"

// ServiceKind says what a service is for, and so what it may have.
type ServiceKind string

// The kinds of service.
const (
	KindWeb      ServiceKind = "web"     // HTTP through the router
	KindPrivate  ServiceKind = "private" // reached by name from the same project only
	KindWorker   ServiceKind = "worker"  // nothing connects to it
	KindCron     ServiceKind = "cron"
	KindStatic   ServiceKind = "static"
	KindPostgres ServiceKind = "postgres"
	KindKeyValue ServiceKind = "keyvalue"
)

// Valid reports whether k is one of the kinds above.
func (k ServiceKind) Valid() bool {
	switch k {
	case KindWeb, KindPrivate, KindWorker, KindCron, KindStatic, KindPostgres, KindKeyValue:
		return true
	}
	return false
}

// Routed reports whether services of this kind get a route from outside.
func (k ServiceKind) Routed() bool { return k == KindWeb || k == KindStatic }

// Service is what the user wants running. Spec is the newest one applied; what runs is the live Release's own copy.
type Service struct {
	ID        ServiceID   `json:"id"`
	ProjectID ProjectID   `json:"project_id"`
	Name      string      `json:"name"`
	Kind      ServiceKind `json:"kind"`
	Spec      ServiceSpec `json:"spec"`
	CreatedAt time.Time   `json:"created_at"`
}

// ServiceSpec is everything needed to build and run a service, with every default filled in.
// Inside a Release it is frozen.
type ServiceSpec struct {
	Name      string            `json:"name"`
	Kind      ServiceKind       `json:"kind"`
	Build     *BuildSpec        `json:"build,omitempty"` // nil when Image is given
	Image     string            `json:"image,omitempty"`
	Command   []string          `json:"command,omitempty"`    // replaces the image's command; argv, never a shell string
	PreDeploy []string          `json:"pre_deploy,omitempty"` // argv run once in the new image before any instance starts
	Port      int               `json:"port,omitempty"`       // the port the process listens on; 0 for workers
	Health    HealthCheck       `json:"health"`
	Resources Resources         `json:"resources"`
	Env       map[string]string `json:"env,omitempty"` // plain values from the blueprint; secrets live in Config
	Disk      *DiskSpec         `json:"disk,omitempty"`
	Replicas  int               `json:"replicas"`
	Drain     Duration          `json:"drain"` // how long requests in flight may finish before the old instance stops
	Hosts     []string          `json:"hosts,omitempty"`
	// Metrics says where each instance exposes metrics of its own; nil when it does not.
	Metrics *MetricsSpec `json:"metrics,omitempty"`
	// AutoDeploy is true when a push to the project's default branch deploys this service.
	AutoDeploy bool `json:"auto_deploy"`
	// Alerts are the rules of the blueprint. Those that hold are AlertRules of the newest spec, deployed or not.
	Alerts []AlertRule `json:"alerts,omitempty"`
}

// BuildSpec says how to make the image from the commit. Paths are relative to the repository's root.
type BuildSpec struct {
	Context    string            `json:"context"`
	Dockerfile string            `json:"dockerfile"` // relative to the repository's root
	Args       map[string]string `json:"args,omitempty"`
	Secrets    []string          `json:"secrets,omitempty"` // env keys mounted for RUN --mount=type=secret, never in a layer
}

// MetricsSpec says where an instance exposes its own metrics, in Prometheus text or OpenMetrics, and how often they are
// read.
type MetricsSpec struct {
	Path  string   `json:"path"`
	Port  int      `json:"port"`
	Every Duration `json:"every"`
}

// HealthKind says how an instance is asked whether it is well.
type HealthKind string

// The kinds of health check.
const (
	HealthHTTP    HealthKind = "http"
	HealthTCP     HealthKind = "tcp"
	HealthCommand HealthKind = "command"
	HealthNone    HealthKind = "none" // running is enough; the default of workers
)

// Valid reports whether k is one of the kinds above.
func (k HealthKind) Valid() bool {
	switch k {
	case HealthHTTP, HealthTCP, HealthCommand, HealthNone:
		return true
	}
	return false
}

// HealthCheck gates a deploy and watches a live instance. For HTTP, 200 to 399 is well.
type HealthCheck struct {
	Kind     HealthKind `json:"kind"`
	Path     string     `json:"path,omitempty"`    // http
	Command  []string   `json:"command,omitempty"` // argv, exit 0 is well
	Interval Duration   `json:"interval"`
	Timeout  Duration   `json:"timeout"`
	// Grace is how long a new instance may take to be well for the first time. Until then a failing check is
	// "starting", not "unhealthy": a ten-minute model load is not a fault.
	Grace Duration `json:"grace"`
	// Failures is how many checks in a row must fail before a live instance counts as unhealthy.
	Failures int `json:"failures"`
}

// Resources are the limits of one instance.
type Resources struct {
	CPUs        float64 `json:"cpus,omitempty"` // 0 means no limit
	MemoryBytes int64   `json:"memory_bytes,omitempty"`
	GPUs        int     `json:"gpus,omitempty"`
	SharedBytes int64   `json:"shared_bytes,omitempty"` // /dev/shm
}

// Defaults of a ServiceSpec, and their limits.
const (
	DefaultHealthPath     = "/healthz"
	DefaultHealthInterval = Duration(5 * time.Second)
	DefaultHealthTimeout  = Duration(5 * time.Second)
	DefaultHealthGrace    = Duration(15 * time.Minute)
	DefaultHealthFailures = 3
	DefaultMetricsPath    = "/metrics"
	DefaultMetricsEvery   = Duration(15 * time.Second)
	DefaultDrain          = Duration(30 * time.Second)
	MinDrain              = Duration(1 * time.Second)
	MaxDrain              = Duration(300 * time.Second)
	MaxReplicas           = 100
)

// DiskSwap says how a deploy treats a disk that only one instance may write.
type DiskSwap string

// The ways to swap a disk-attached service.
const (
	SwapHold          DiskSwap = "hold"           // stop the old instance first; the router holds requests meanwhile
	SwapOverlap       DiskSwap = "overlap"        // old and new share the disk during the swap; for read-mostly data such as model caches
	SwapSnapshotFirst DiskSwap = "snapshot-first" // snapshot, then as hold
)

// Valid reports whether s is one of the ways above.
func (s DiskSwap) Valid() bool { return s == SwapHold || s == SwapOverlap || s == SwapSnapshotFirst }

// DiskSpec asks for a durable volume.
type DiskSpec struct {
	Name      string   `json:"name"`
	MountPath string   `json:"mount_path"`
	SizeGB    int      `json:"size_gb"`
	Swap      DiskSwap `json:"swap"`
}
