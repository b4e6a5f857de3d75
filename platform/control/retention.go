package control

import (
	"context"
	"fmt"
	"strings"

	"github.com/fairlead/fairlead/platform"
	"github.com/fairlead/fairlead/platform/store"
)

// SetRetention sets how long and how many log lines of a project are kept; zero fields leave it to the installation.
// It takes effect within a minute, and what is dropped then is gone. Admin only.
func (p *Plane) SetRetention(ctx context.Context, actor platform.Actor, req platform.SetRetentionRequest) (platform.Project, error) {
	if err := authorize(actor, verbSetRetention, ""); err != nil {
		return platform.Project{}, err
	}
	if err := req.Check(); err != nil {
		return platform.Project{}, err
	}
	var project platform.Project
	err := p.store.InTx(ctx, func(tx *store.Tx) error {
		found, err := findProject(ctx, tx, actor, verbSetRetention, req.Project)
		if err != nil {
			return err
		}
		if project, err = tx.LockProject(ctx, found.ID); err != nil {
			return err
		}
		project.LogRetention = req.LogRetention
		p.record(tx, fact{
			kind: platform.EventRetentionSet, actor: actor, at: inProject(project), subject: string(project.ID),
			summary: fmt.Sprintf("%s set the logs of %s to be kept %s.", actor.Name, project.Name, retentionWords(req.LogRetention)),
			payload: map[string]any{"age": req.Age, "bytes": req.Bytes},
		})
		return tx.UpdateProject(ctx, project)
	})
	return project, err
}

func retentionWords(r platform.LogRetention) string {
	var words []string
	if r.Age != 0 {
		words = append(words, "for "+r.Age.String())
	}
	if r.Bytes != 0 {
		words = append(words, "within "+platform.FormatSize(r.Bytes))
	}
	if len(words) == 0 {
		return "as the installation says"
	}
	return strings.Join(words, " and ")
}

// LogRetentions returns the retention of every project, for the log store.
func (p *Plane) LogRetentions(ctx context.Context) (map[string]platform.LogRetention, error) {
	out := map[string]platform.LogRetention{}
	err := p.store.View(ctx, func(tx *store.Tx) error {
		projects, err := tx.AllProjects(ctx)
		for _, project := range projects {
			out[project.Name] = project.LogRetention
		}
		return err
	})
	return out, err
}
