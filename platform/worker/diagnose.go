package worker

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/fairlead/fairlead/observability/tracing"
	"github.com/fairlead/fairlead/platform"
	"github.com/fairlead/fairlead/platform/jobs"
)

// workIncident has an incident investigated and the diagnosis recorded, with the proposals that follow from it.
func (w *Worker) workIncident(ctx context.Context, args jobs.DiagnoseIncident) (time.Duration, error) {
	if w.o.Investigator == nil {
		return 0, nil
	}
	detail, err := w.o.Plane.GetIncident(ctx, platform.SystemActor("worker"), args.IncidentID)
	if err != nil {
		if platform.CodeOf(err) == platform.CodeNotFound {
			return 0, nil
		}
		return 0, fmt.Errorf("read incident %s: %w", args.IncidentID, err)
	}
	within, span := tracing.Start(ctx, "investigate incident", append(slotAttrs(detail.Project, detail.Environment, detail.Service),
		slog.String("fairlead.incident.id", string(detail.ID)), slog.String("fairlead.incident.signal", string(detail.Signal)))...)
	evidence, diagnosis, err := w.o.Investigator.Investigate(within, detail.Incident)
	span.Set(slog.String("fairlead.diagnosis.verdict", string(diagnosis.Verdict)), slog.Int("fairlead.evidence", len(evidence)))
	span.End(err)
	if err != nil {
		return 0, fmt.Errorf("investigate incident %s: %w", args.IncidentID, err)
	}
	if err := w.stopHere("incident/investigated"); err != nil {
		return 0, err
	}
	if _, err := w.o.Plane.RecordDiagnosis(ctx, evidence, diagnosis); err != nil {
		return 0, fmt.Errorf("record the diagnosis of %s: %w", args.IncidentID, err)
	}
	return 0, nil
}
