package httpapi

import (
	"context"
	"net/http"

	"github.com/fairlead/fairlead/platform"
)

type setEnvInput struct {
	SlotPath
	WriteHeader
	Body struct {
		Set      []platform.Variable `json:"set,omitempty" maxItems:"500" doc:"Variables to add or change." nullable:"false"`
		Unset    []string            `json:"unset,omitempty" maxItems:"500" doc:"Keys to remove." nullable:"false"`
		NoDeploy bool                `json:"no_deploy,omitempty" doc:"Record only; the next deploy takes them."`
	}
}

func (a *API) registerEnv() {
	handle(a, operation{
		ID: "get-env", Method: http.MethodGet, Path: servicePath + "/env", Tag: "env", Summary: "Show a service's own environment variables",
		Description: "Values of secret variables are never shown.", Errors: []int{http.StatusNotFound},
	}, func(ctx context.Context, actor platform.Actor, in *SlotPath) (platform.Config, error) {
		c, err := a.plane.GetEnv(ctx, actor, in.ref())
		return masked(c), err
	})
	handle(a, operation{
		ID: "set-env", Method: http.MethodPatch, Path: servicePath + "/env", Tag: "env", Summary: "Change a service's own environment variables",
		Description: "Unless no_deploy is set, a deploy of the live image with them follows.", Errors: []int{http.StatusNotFound, http.StatusConflict},
	}, func(ctx context.Context, actor platform.Actor, in *setEnvInput) (platform.SetEnvResult, error) {
		r, err := a.plane.SetEnv(ctx, actor, platform.SetEnvRequest{
			SlotRef: in.ref(), Set: in.Body.Set, Unset: in.Body.Unset, NoDeploy: in.Body.NoDeploy,
		})
		r.Config = masked(r.Config)
		return r, err
	})
}

// masked empties secret values once more: nothing secret leaves by this door even if the one behind it slips.
func masked(c platform.Config) platform.Config {
	vars := make([]platform.Variable, len(c.Vars))
	for i, v := range c.Vars {
		if v.Secret {
			v.Value = ""
		}
		vars[i] = v
	}
	c.Vars = vars
	return c
}
