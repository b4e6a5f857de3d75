package httpapi

import (
	"context"
	"net/http"

	"github.com/fairlead/fairlead/platform"
)

type listReleasesInput struct {
	SlotPath
	PageQuery
}

type rollbackInput struct {
	SlotPath
	WriteHeader
	Body struct {
		ToRelease int    `json:"to_release,omitempty" minimum:"0" doc:"Number of the release to bring back; 0 or left out means the one that was live before."`
		Reason    string `json:"reason,omitempty" maxLength:"500" doc:"Why, for the timeline."`
	} `required:"false"`
}

func (a *API) registerReleases() {
	handle(a, operation{
		ID: "list-releases", Method: http.MethodGet, Path: servicePath + "/releases", Tag: "releases", Summary: "List a service's releases, newest first",
		Errors: []int{http.StatusNotFound},
	}, func(ctx context.Context, actor platform.Actor, in *listReleasesInput) (platform.List[platform.Release], error) {
		return full(a.plane.ListReleases(ctx, actor, in.ref(), in.page()))
	})
	handle(a, operation{
		ID: "rollback-service", Method: http.MethodPost, Path: servicePath + "/rollbacks", Tag: "releases", Summary: "Bring an older release back",
		Description: "A deploy of a release that exists: no build. The answer is that deploy.",
		Status:      http.StatusAccepted, Errors: []int{http.StatusNotFound, http.StatusConflict},
	}, func(ctx context.Context, actor platform.Actor, in *rollbackInput) (platform.Deploy, error) {
		return a.plane.Rollback(ctx, actor, platform.RollbackRequest{SlotRef: in.ref(), ToRelease: in.Body.ToRelease, Reason: in.Body.Reason})
	})
}
