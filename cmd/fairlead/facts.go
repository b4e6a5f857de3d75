package main

import (
	"context"
	"slices"
	"time"

	"github.com/fairlead/fairlead/agent/evidence"
	"github.com/fairlead/fairlead/platform"
	"github.com/fairlead/fairlead/platform/source"
	"github.com/fairlead/fairlead/platform/store"
)

// facts answers what an investigation asks, read-only: the agent itself reaches neither control nor store.
type facts struct {
	store  *store.Store
	repos  *source.Repos
	slots  func(ctx context.Context, project string) ([]platform.SlotDetail, error)
	probes func(platform.InstanceID) []platform.Probe
}

// maxFactEvents bounds what one look at the timeline returns.
const maxFactEvents = 500

func view[T any](ctx context.Context, f *facts, read func(*store.Tx) (T, error)) (T, error) {
	var found T
	err := f.store.View(ctx, func(tx *store.Tx) error {
		var err error
		found, err = read(tx)
		return err
	})
	return found, err
}

// Deploy reads one deploy.
func (f *facts) Deploy(ctx context.Context, id platform.DeployID) (platform.Deploy, error) {
	return view(ctx, f, func(tx *store.Tx) (platform.Deploy, error) { return tx.DeployByID(ctx, id) })
}

// Release reads one release.
func (f *facts) Release(ctx context.Context, id platform.ReleaseID) (platform.Release, error) {
	return view(ctx, f, func(tx *store.Tx) (platform.Release, error) { return tx.ReleaseByID(ctx, id) })
}

// PreviousHealthyRelease finds the newest release below a number that was live; with 0, the live one.
func (f *facts) PreviousHealthyRelease(ctx context.Context, id platform.SlotID, before int) (platform.Release, error) {
	return view(ctx, f, func(tx *store.Tx) (platform.Release, error) {
		slot, err := tx.SlotByID(ctx, id)
		if err != nil {
			return platform.Release{}, err
		}
		if before == 0 {
			if slot.LiveReleaseID == "" {
				return platform.Release{}, platform.Errorf(platform.CodeNotFound, "Nothing has been live in %s yet.", slot.Ref())
			}
			return tx.ReleaseByID(ctx, slot.LiveReleaseID)
		}
		list, err := tx.ListReleases(ctx, slot, platform.Page{Limit: platform.MaxPageLimit})
		if err != nil {
			return platform.Release{}, err
		}
		for _, r := range list.Items { // newest first
			if r.Number >= before {
				continue
			}
			if was, err := tx.WasLive(ctx, id, r.ID); err != nil || was {
				return r, err
			}
		}
		return platform.Release{}, platform.Errorf(platform.CodeNotFound, "No release of %s before %d was live.", slot.Ref(), before)
	})
}

// Config reads one version of a slot's variables with the values of secrets removed.
func (f *facts) Config(ctx context.Context, id platform.SlotID, version int64) (platform.Config, error) {
	if version == 0 {
		return platform.Config{SlotID: id}, nil
	}
	config, err := view(ctx, f, func(tx *store.Tx) (platform.Config, error) { return tx.ConfigAt(ctx, id, version) })
	for i := range config.Vars {
		if config.Vars[i].Secret {
			config.Vars[i].Value = ""
		}
	}
	return config, err
}

// Instances returns those that run or ended after since, newest first.
func (f *facts) Instances(ctx context.Context, id platform.SlotID, since time.Time) ([]platform.Instance, error) {
	all, err := view(ctx, f, func(tx *store.Tx) ([]platform.Instance, error) { return tx.ListInstances(ctx, id, true) })
	recent := make([]platform.Instance, 0, len(all))
	for _, in := range all {
		if in.EndedAt == nil || in.EndedAt.After(since) {
			recent = append(recent, in)
		}
	}
	slices.Reverse(recent)
	return recent, err
}

// Probes returns the newest health checks of an instance, oldest first.
func (f *facts) Probes(_ context.Context, id platform.InstanceID) ([]platform.Probe, error) {
	return f.probes(id), nil
}

// Slots returns the slots of an environment with what runs there.
func (f *facts) Slots(ctx context.Context, project, environment string) ([]platform.SlotDetail, error) {
	all, err := f.slots(ctx, project)
	found := make([]platform.SlotDetail, 0, len(all))
	for _, s := range all {
		if s.Environment == environment {
			found = append(found, s)
		}
	}
	return found, err
}

// Commits returns the recorded commits after one SHA up to and including the other, oldest first.
func (f *facts) Commits(ctx context.Context, project, after, upto string) ([]platform.Commit, error) {
	return view(ctx, f, func(tx *store.Tx) ([]platform.Commit, error) {
		p, err := tx.ProjectByRef(ctx, project)
		if err != nil {
			return nil, err
		}
		if after == "" {
			commit, err := tx.CommitBySHA(ctx, p.ID, upto)
			return []platform.Commit{commit}, err
		}
		return tx.CommitsBetween(ctx, p.ID, after, upto)
	})
}

// Diff returns the unified diff of two commits.
func (f *facts) Diff(ctx context.Context, project, from, to string) (string, error) {
	return f.repos.Diff(ctx, project, from, to)
}

// Events returns events that pass the filter, oldest first.
func (f *facts) Events(ctx context.Context, filter platform.EventFilter) ([]platform.Event, error) {
	if filter.Limit == 0 {
		filter.Limit = maxFactEvents
	}
	return view(ctx, f, func(tx *store.Tx) ([]platform.Event, error) {
		query := store.EventQuery{EventFilter: filter}
		if filter.Project != "" {
			query.Projects = []string{filter.Project}
		}
		list, err := tx.ListEvents(ctx, query)
		return list.Items, err
	})
}

// Explained returns the newest incidents of an environment, newest first, each with its newest diagnosis.
func (f *facts) Explained(ctx context.Context, project, environment string, limit int) ([]evidence.Explained, error) {
	return view(ctx, f, func(tx *store.Tx) ([]evidence.Explained, error) {
		list, err := tx.ListIncidents(ctx, store.Scope{Projects: []string{project}, Environment: environment}, "", platform.Page{Limit: limit})
		if err != nil {
			return nil, err
		}
		found := make([]evidence.Explained, 0, len(list.Items))
		for _, in := range list.Items {
			diagnosis, err := tx.NewestDiagnosis(ctx, in.ID)
			if err != nil {
				return nil, err
			}
			found = append(found, evidence.Explained{Incident: in, Diagnosis: diagnosis})
		}
		return found, nil
	})
}
