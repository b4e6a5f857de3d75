package httpapi

import (
	"context"
	"net/http"

	"github.com/fairlead/fairlead/platform"
)

type listDeploysInput struct {
	SlotQuery
	PageQuery
	Commit string `query:"commit" maxLength:"64" doc:"Only of this commit: a SHA or its beginning."`
}

// DeployPath names a deploy.
type DeployPath struct {
	Deploy platform.DeployID `path:"deploy" maxLength:"80" doc:"Id of the deploy: dep_..."`
}

type deployInput struct {
	SlotPath
	WriteHeader
	Body struct {
		Commit string `json:"commit,omitempty" maxLength:"255" doc:"A pushed commit: a SHA, its beginning, or a branch."`
		Image  string `json:"image,omitempty" maxLength:"500" doc:"A ready image instead of a commit."`
	} `required:"false"`
}

func (a *API) registerDeploys() {
	handle(a, operation{
		ID: "create-deploy", Method: http.MethodPost, Path: servicePath + "/deploys", Tag: "deploys", Summary: "Deploy a pushed commit or a ready image",
		Description: "With neither, the head of the default branch. The answer is the queued deploy; watch it by GET or by events.",
		Status:      http.StatusAccepted, Errors: []int{http.StatusNotFound, http.StatusConflict},
	}, func(ctx context.Context, actor platform.Actor, in *deployInput) (platform.Deploy, error) {
		return a.plane.Deploy(ctx, actor, platform.DeployRequest{SlotRef: in.ref(), Commit: in.Body.Commit, Image: in.Body.Image})
	})
	handle(a, operation{
		ID: "list-deploys", Method: http.MethodGet, Path: "/v1/deploys", Tag: "deploys", Summary: "List deploys, newest first",
	}, func(ctx context.Context, actor platform.Actor, in *listDeploysInput) (platform.List[platform.Deploy], error) {
		return full(a.plane.ListDeploys(ctx, actor, platform.DeployFilter{SlotRef: in.ref(), Commit: in.Commit, Page: in.page()}))
	})
	handle(a, operation{
		ID: "get-deploy", Method: http.MethodGet, Path: "/v1/deploys/{deploy}", Tag: "deploys", Summary: "Show a deploy",
		Errors: []int{http.StatusNotFound},
	}, func(ctx context.Context, actor platform.Actor, in *DeployPath) (platform.Deploy, error) {
		return a.plane.GetDeploy(ctx, actor, in.Deploy)
	})
	handle(a, operation{
		ID: "cancel-deploy", Method: http.MethodPost, Path: "/v1/deploys/{deploy}/cancel", Tag: "deploys", Summary: "Cancel a deploy",
		Description: "Possible until traffic moves; its next step honours it.", Status: http.StatusAccepted,
		Errors: []int{http.StatusNotFound, http.StatusConflict},
	}, func(ctx context.Context, actor platform.Actor, in *struct {
		DeployPath
		WriteHeader
	},
	) (platform.Deploy, error) {
		return a.plane.CancelDeploy(ctx, actor, in.Deploy)
	})
}
