package httpapi

import (
	"context"
	"net/http"

	"github.com/fairlead/fairlead/platform"
)

type listInstancesInput struct {
	SlotPath
	Ended bool `query:"ended" doc:"Also those that have ended."`
}

// InstancePath names an instance.
type InstancePath struct {
	Instance platform.InstanceID `path:"instance" maxLength:"80" doc:"Id of the instance: ins_..."`
}

func (a *API) registerInstances() {
	handle(a, operation{
		ID: "list-instances", Method: http.MethodGet, Path: servicePath + "/instances", Tag: "instances", Summary: "List a service's instances",
		Errors: []int{http.StatusNotFound},
	}, func(ctx context.Context, actor platform.Actor, in *listInstancesInput) (platform.List[platform.Instance], error) {
		return list(a.plane.ListInstances(ctx, actor, in.ref(), in.Ended))
	})
	handle(a, operation{
		ID: "why-instance", Method: http.MethodGet, Path: "/v1/instances/{instance}/why", Tag: "instances", Summary: "Why an instance started and ended",
		Description: "The instance, its release and the events that explain it, oldest first.", Errors: []int{http.StatusNotFound},
	}, func(ctx context.Context, actor platform.Actor, in *InstancePath) (platform.Why, error) {
		return a.plane.Why(ctx, actor, in.Instance)
	})
}
