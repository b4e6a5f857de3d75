package dashboard

import (
	"fmt"
	"net/http"
	"net/url"

	"github.com/fairlead/fairlead/platform"
)

// pageOf is one page of a list, and the link to the next one.
type pageOf[T any] struct {
	Items    []T
	Projects []platform.Project
	Project  string
	All      bool // also what is over
	Next     string
}

// listing reads what a list page was asked for.
func listing[T any](r *http.Request, s *session) (pageOf[T], platform.Page, error) {
	q := r.URL.Query()
	page := pageOf[T]{Project: q.Get("project"), All: q.Get("all") != ""}
	projects, err := s.api.ListProjects(r.Context(), platform.Page{Limit: platform.MaxPageLimit})
	page.Projects = projects.Items
	return page, platform.Page{Cursor: q.Get("cursor"), Limit: platform.DefaultPageLimit}, err
}

// showList shows one page of a list, of all there are or of those that read takes for current.
func showList[T any](p *pages, w http.ResponseWriter, r *http.Request, s *session, name, title string, read func(of platform.SlotRef, all bool, page platform.Page) (platform.List[T], error)) {
	view, page, err := listing[T](r, s)
	if err == nil {
		var list platform.List[T]
		list, err = read(platform.SlotRef{Project: view.Project}, view.All, page)
		view.Items, view.Next = list.Items, nextLink(r, list.Next)
	}
	if err != nil {
		p.fail(w, r, s, err)
		return
	}
	p.render(w, r, http.StatusOK, s, name, title, view)
}

// nextLink is the address of the page after this one, "" at the end.
func nextLink(r *http.Request, cursor string) string {
	if cursor == "" {
		return ""
	}
	q := r.URL.Query()
	q.Set("cursor", cursor)
	return (&url.URL{Path: r.URL.Path, RawQuery: q.Encode()}).String()
}

func (p *pages) incidents(w http.ResponseWriter, r *http.Request, s *session) {
	showList(p, w, r, s, "incidents", "Incidents", func(of platform.SlotRef, all bool, page platform.Page) (platform.List[platform.Incident], error) {
		f := platform.IncidentFilter{SlotRef: of, Page: page}
		if !all {
			f.State = platform.IncidentOpen
		}
		return s.api.ListIncidents(r.Context(), f)
	})
}

// cited is a claim with its evidence as it is linked.
type cited struct {
	platform.Claim
	Marks []string
}

// causeView is a cause as it is shown.
type causeView struct {
	platform.Cause
	Title  string
	Claims []cited
}

type ruledOutView struct {
	platform.RuledOut
	Marks []string
}

type hopView struct {
	platform.Hop
	Marks []string
}

type incidentView struct {
	platform.IncidentDetail
	Title    string // of the verdict
	Causes   []causeView
	RuledOut []ruledOutView
	Spread   []hopView
}

func (p *pages) incident(w http.ResponseWriter, r *http.Request, s *session) {
	in, err := s.api.GetIncident(r.Context(), platform.IncidentID(r.PathValue("id")))
	if err != nil {
		p.fail(w, r, s, err)
		return
	}
	p.render(w, r, http.StatusOK, s, "incident", in.Title, viewOf(in))
}

// viewOf turns ids of evidence into the numbers that the page shows and links.
func viewOf(in platform.IncidentDetail) incidentView {
	view := incidentView{IncidentDetail: in}
	d := in.Diagnosis
	if d == nil {
		return view
	}
	numbers := map[platform.EvidenceID]string{}
	for _, e := range in.Evidence {
		numbers[e.ID] = fmt.Sprintf("E%d", e.Number)
	}
	marks := func(ids []platform.EvidenceID) []string {
		var out []string
		for _, id := range ids {
			if mark, ok := numbers[id]; ok {
				out = append(out, mark)
			}
		}
		return out
	}
	view.Title = d.Title()
	for _, c := range d.Causes {
		shown := causeView{Cause: c, Title: c.Category.Title()}
		for _, claim := range c.Claims {
			shown.Claims = append(shown.Claims, cited{claim, marks(claim.Evidence)})
		}
		view.Causes = append(view.Causes, shown)
	}
	for _, ruled := range d.RuledOut {
		view.RuledOut = append(view.RuledOut, ruledOutView{ruled, marks(ruled.Evidence)})
	}
	for _, hop := range d.Propagation {
		view.Spread = append(view.Spread, hopView{hop, marks(hop.Evidence)})
	}
	return view
}
