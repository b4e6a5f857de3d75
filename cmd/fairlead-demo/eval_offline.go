package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/fairlead/fairlead/agent"
	"github.com/fairlead/fairlead/agent/bundle"
	"github.com/fairlead/fairlead/agent/eval"
	"github.com/fairlead/fairlead/agent/eval/scenarios"
	"github.com/fairlead/fairlead/agent/evidence"
	"github.com/fairlead/fairlead/platform"
)

// offline exports the incident as a user would, lays its known answer beside it, and explains the folder with nothing else
// running: as it is, and from its plain files alone.
func (s *scene) offline(ctx context.Context, in platform.IncidentDetail, expected eval.Expected) (*scenarios.Offline, error) {
	dir := filepath.Join(s.records, "bundles", s.c.Name)
	if err := os.RemoveAll(dir); err != nil {
		return nil, err
	}
	if out, code := s.run(ctx, s.dir, s.env("FAIRLEAD_TOKEN="+s.token), s.binary, "incident", "export", string(in.ID), dir); code != 0 {
		return nil, fmt.Errorf("export the incident: exit %d: %s", code, out)
	}
	if err := writeJSON(filepath.Join(dir, "expected.json"), expected); err != nil {
		return nil, err
	}
	whole, _, err := agent.ExplainBundle(dir)
	if err != nil {
		return nil, fmt.Errorf("explain the exported bundle: %w", err)
	}
	read, err := bundle.Read(dir)
	if err != nil {
		return nil, fmt.Errorf("read the exported bundle: %w", err)
	}
	read.Frozen = nil
	live, kept, plain := brief(*in.Diagnosis), brief(whole), brief(agent.Explain(evidence.FromBundle(read)))
	out := &scenarios.Offline{Same: kept == live, Plain: plain == live}
	if !out.Same || !out.Plain {
		out.Said = fmt.Sprintf("%s; its plain files alone: %s; the incident: %s", kept, plain, live)
	}
	return out, nil
}

// brief is what two answers must share to be the same.
func brief(d platform.Diagnosis) string {
	if len(d.Causes) == 0 {
		return fmt.Sprintf("%s %s", d.Verdict, d.Category)
	}
	change := eval.ChangeNone
	if c := d.Causes[0].Change; c != nil {
		change = c.ID
	}
	return fmt.Sprintf("%s %s of %s, change %s", d.Verdict, d.Category, d.Causes[0].Service, platform.ShortSHA(change))
}
