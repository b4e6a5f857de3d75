package platform

import "time"

// Release is immutable: an image, the spec it runs with, the commit it came from and the version of configuration.
// Releases are numbered from 1 per service.
type Release struct {
	ID            ReleaseID   `json:"id"`
	ProjectID     ProjectID   `json:"project_id"`
	ServiceID     ServiceID   `json:"service_id"`
	SlotID        SlotID      `json:"slot_id"` // where it was first deployed
	Service       string      `json:"service"`
	Number        int         `json:"number"`
	ImageID       string      `json:"image_id"` // content digest: sha256:...
	ImageRef      string      `json:"image_ref"`
	Spec          ServiceSpec `json:"spec"`
	Commit        string      `json:"commit,omitempty"` // full SHA; empty for a deploy of a ready image
	ConfigVersion int64       `json:"config_version"`
	DeployID      DeployID    `json:"deploy_id"` // the deploy that made it
	CreatedAt     time.Time   `json:"created_at"`
}

// Config is one version of a slot's own environment variables. Values of secret keys are sealed at rest and never
// leave the server: faces show keys only.
type Config struct {
	SlotID    SlotID     `json:"slot_id"`
	Version   int64      `json:"version"`
	Vars      []Variable `json:"vars"` // sorted by key
	Actor     Actor      `json:"actor"`
	CreatedAt time.Time  `json:"created_at"`
}

// Variable is one environment variable of a slot. Value is empty when Secret is true and the reader is not the runtime.
type Variable struct {
	Key    string `json:"key"`
	Value  string `json:"value,omitempty"`
	Secret bool   `json:"secret,omitempty"`
}

// Find returns the variable with the given key.
func (c Config) Find(key string) (Variable, bool) {
	for _, v := range c.Vars {
		if v.Key == key {
			return v, true
		}
	}
	return Variable{}, false
}
