package dashboard

import (
	"net/http"
	"slices"

	"github.com/fairlead/fairlead/platform"
)

type auditView struct {
	pageOf[platform.Event]
	Kind    string
	Kinds   []platform.EventKind
	Subject string
	Chain   *platform.ChainReport // nil: it was not asked for
}

// audit shows who did what, the newest first, and verifies the chain when asked.
func (p *pages) audit(w http.ResponseWriter, r *http.Request, s *session) {
	q := r.URL.Query()
	list, page, err := listing[platform.Event](r, s)
	view := auditView{pageOf: list, Kind: q.Get("kind"), Kinds: platform.EventKinds(), Subject: q.Get("subject")}
	if err == nil {
		f := platform.EventFilter{Project: view.Project, Subject: view.Subject, Backward: true, Page: page}
		if kind := platform.EventKind(view.Kind); slices.Contains(view.Kinds, kind) {
			f.Kinds = []platform.EventKind{kind}
		}
		var events platform.List[platform.Event]
		events, err = s.api.ListEvents(r.Context(), f)
		view.Items, view.Next = events.Items, nextLink(r, events.Next)
	}
	if err == nil && q.Get("verify") != "" {
		var report platform.ChainReport
		report, err = s.api.VerifyEvents(r.Context())
		view.Chain = &report
	}
	if err != nil {
		p.fail(w, r, s, err)
		return
	}
	p.render(w, r, http.StatusOK, s, "audit", "Audit trail", view)
}
