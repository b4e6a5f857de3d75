package httpapi

import (
	"context"
	"net/http"

	"github.com/fairlead/fairlead/platform"
)

const (
	servicesPath = "/v1/projects/{project}/services"
	servicePath  = servicesPath + "/{service}"
)

type listServicesInput struct {
	ProjectPath
	Environment string `query:"environment" maxLength:"80" doc:"Only in this environment."`
}

type scaleInput struct {
	SlotPath
	WriteHeader
	Body struct {
		Replicas int `json:"replicas" minimum:"0" maximum:"100" doc:"Wanted number of instances."`
	}
}

type restartInput struct {
	SlotPath
	WriteHeader
	Body struct {
		Reason string `json:"reason,omitempty" maxLength:"500" doc:"Why, for the timeline."`
	} `required:"false"`
}

func (a *API) registerServices() {
	handle(a, operation{
		ID: "list-services", Method: http.MethodGet, Path: servicesPath, Tag: "services", Summary: "List a project's services with what runs",
		Errors: []int{http.StatusNotFound},
	}, a.listServices)
	handle(a, operation{
		ID: "get-service", Method: http.MethodGet, Path: servicePath, Tag: "services", Summary: "Show a service in one environment",
		Description: "Its live release, newest deploy, instances, open incidents and address.", Errors: []int{http.StatusNotFound},
	}, func(ctx context.Context, actor platform.Actor, in *SlotPath) (platform.SlotDetail, error) {
		return a.plane.GetSlot(ctx, actor, in.ref())
	})
	handle(a, operation{
		ID: "scale-service", Method: http.MethodPut, Path: servicePath + "/scale", Tag: "services", Summary: "Set the wanted number of instances",
		Errors: []int{http.StatusNotFound, http.StatusConflict},
	}, func(ctx context.Context, actor platform.Actor, in *scaleInput) (platform.Slot, error) {
		return a.plane.Scale(ctx, actor, platform.ScaleRequest{SlotRef: in.ref(), Replicas: in.Body.Replicas})
	})
	handle(a, operation{
		ID: "restart-service", Method: http.MethodPost, Path: servicePath + "/restarts", Tag: "services", Summary: "Replace every instance, one after another",
		Status: http.StatusAccepted, Errors: []int{http.StatusNotFound, http.StatusConflict},
	}, func(ctx context.Context, actor platform.Actor, in *restartInput) (platform.Slot, error) {
		return a.plane.Restart(ctx, actor, in.ref(), in.Body.Reason)
	})
}

func (a *API) listServices(ctx context.Context, actor platform.Actor, in *listServicesInput) (platform.List[platform.SlotDetail], error) {
	all, err := a.plane.ListSlots(ctx, actor, in.Project)
	if err != nil || in.Environment == "" {
		return list(all, err)
	}
	var kept []platform.SlotDetail
	for _, s := range all {
		if s.Environment == in.Environment || string(s.EnvironmentID) == in.Environment {
			kept = append(kept, s)
		}
	}
	return list(kept, nil)
}
