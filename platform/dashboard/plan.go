package dashboard

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/fairlead/fairlead/platform"
)

func (p *pages) plans(w http.ResponseWriter, r *http.Request, s *session) {
	showList(p, w, r, s, "plans", "Plans", func(of platform.SlotRef, all bool, page platform.Page) (platform.List[platform.Plan], error) {
		f := platform.PlanFilter{SlotRef: of, Page: page}
		if !all {
			f.State = platform.PlanPending
		}
		return s.api.ListPlans(r.Context(), f)
	})
}

type planView struct {
	platform.Plan
	Risk      string
	Approvers string
	Value     bool            // a person must give the value
	Moving    bool            // it is carried out now
	Refused   *platform.Error // why the decision that was just sent was not taken
	Comment   string
}

func (p *pages) plan(w http.ResponseWriter, r *http.Request, s *session) {
	plan, err := s.api.GetPlan(r.Context(), platform.PlanID(r.PathValue("id")))
	if err != nil {
		p.fail(w, r, s, err)
		return
	}
	p.showPlan(w, r, s, http.StatusOK, planView{Plan: plan})
}

func (p *pages) showPlan(w http.ResponseWriter, r *http.Request, s *session, status int, view planView) {
	view.Risk, view.Approvers = view.Body.Risk.Title(), view.Body.Approvers()
	view.Value = view.NeedsValue()
	view.Moving = view.State == platform.PlanApproved || view.State == platform.PlanExecuting
	p.render(w, r, status, s, "plan", view.Body.Title, view)
}

// decide sends a decision on exactly the plan that was shown: its hash goes along. A refusal is shown beside the plan as it
// now stands.
func (p *pages) decide(w http.ResponseWriter, r *http.Request, s *session) {
	id := platform.PlanID(r.PathValue("id"))
	req := platform.DecideRequest{Hash: r.PostFormValue("hash"), Comment: strings.TrimSpace(r.PostFormValue("comment")), EnvValue: r.PostFormValue("value")}
	var err error
	switch word := r.PostFormValue("decision"); word {
	case "approve", "reject":
		req.Approve = word == "approve"
		if !req.Approve {
			req.EnvValue = ""
		}
	default:
		err = platform.Errorf(platform.CodeInvalid, "A decision is approve or reject, not %q.", platform.Truncate(word, 40)).WithField("decision")
	}
	if err == nil && req.Hash == "" {
		err = platform.Errorf(platform.CodeInvalid, "The decision does not say which plan was read.").WithHint("Open the plan again, and decide there.").WithField("hash")
	}
	if err == nil {
		_, err = s.api.Decide(r.Context(), id, req)
	}
	if err == nil {
		http.Redirect(w, r, "/ui/plans/"+url.PathEscape(string(id)), http.StatusSeeOther)
		return
	}
	plan, readErr := s.api.GetPlan(r.Context(), id)
	if readErr != nil {
		p.fail(w, r, s, err)
		return
	}
	said := asError(err)
	p.showPlan(w, r, s, statusOf(said.Code), planView{Plan: plan, Refused: said, Comment: req.Comment})
}
