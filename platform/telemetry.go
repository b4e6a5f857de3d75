package platform

// TelemetryScope is an environment that takes telemetry from outside, and the names that are known beside it.
type TelemetryScope struct {
	Project      string
	Environment  string
	Services     []string // of this environment
	Environments []string // of the project
}
