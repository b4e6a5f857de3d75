package control

import (
	"context"
	"fmt"
	"regexp"

	"github.com/fairlead/fairlead/platform"
	"github.com/fairlead/fairlead/platform/store"
)

// builder fills in the body of a plan: what is now, what shall be, what can go wrong, and what must hold for it.
type builder struct {
	plane *Plane
	tx    *store.Tx
	slot  platform.Slot // locked
	body  platform.PlanBody
}

// anyErrorRate means that the share of failed answers is not checked.
const anyErrorRate = -1

func (b *builder) build(ctx context.Context) error {
	b.body.Expectation = platform.Expectation{Healthy: true, MaxErrorRate: anyErrorRate, Window: verifyWindow, Within: verifyWithin}
	if b.slot.Kind.Routed() {
		b.body.Expectation.MaxErrorRate = maxErrorRate
	}
	if err := b.onlyOwnFields(); err != nil {
		return err
	}
	switch b.body.Action.Kind {
	case platform.ActionRollback:
		return b.rollback(ctx)
	case platform.ActionRestart:
		return b.restart()
	case platform.ActionScale:
		return b.scale(ctx)
	case platform.ActionSetEnv:
		return b.setEnv(ctx)
	case platform.ActionRevertCommit:
		return b.revert(ctx)
	}
	return platform.Errorf(platform.CodeInvalid, "%q is not an action.", b.body.Action.Kind).
		WithHint("Choose one of rollback, restart, scale, set_env, revert_commit.").WithField("action.kind")
}

// onlyOwnFields refuses arguments of other kinds: what is not looked at must not seem to be approved.
func (b *builder) onlyOwnFields() error {
	a := b.body.Action
	for _, f := range []struct {
		name string
		set  bool
		kind platform.ActionKind
	}{
		{"to_release", a.ToRelease != 0, platform.ActionRollback},
		{"replicas", a.Replicas != 0, platform.ActionScale},
		{"memory_bytes", a.MemoryBytes != 0, platform.ActionScale},
		{"env_key", a.EnvKey != "", platform.ActionSetEnv},
		{"env_value", a.EnvValue != "", platform.ActionSetEnv},
		{"from_release", a.FromRelease != 0, platform.ActionSetEnv},
		{"commit", a.Commit != "", platform.ActionRevertCommit},
	} {
		if f.set && a.Kind != f.kind {
			return platform.Errorf(platform.CodeInvalid, "%s does not belong to the action %s.", f.name, platform.Truncate(string(a.Kind), 40)).
				WithHint("It belongs to %s.", f.kind).WithField("action." + f.name)
		}
	}
	return nil
}

// liveLine describes what is live now.
func (b *builder) liveLine() string {
	return fmt.Sprintf("%s runs v%d with %s", b.slot.Service, b.slot.LiveRelease, plural(b.slot.Replicas, "instance"))
}

func (b *builder) radius(text string) string {
	if hosts := len(b.slot.Hosts); hosts > 0 {
		return fmt.Sprintf("%s; requests to %s", text, b.slot.Hosts[0])
	}
	return text
}

func (b *builder) rollback(ctx context.Context) error {
	target, err := rollbackTarget(ctx, b.tx, b.slot, b.body.Action.ToRelease)
	if err != nil {
		return err
	}
	b.body.Action.ToRelease = target.Number // "the one before" is frozen as a number
	b.body.Preconditions.TargetReleaseID = target.ID
	b.body.Risk = riskOf(b.slot, b.body.Action.Kind)
	b.body.Title = fmt.Sprintf("Roll %s back from v%d to v%d", b.slot.Service, b.slot.LiveRelease, target.Number)
	b.body.Before = []string{b.liveLine()}
	b.body.After = []string{
		fmt.Sprintf("%s runs v%d with %s", b.slot.Service, target.Number, plural(b.slot.Replicas, "instance")),
		fmt.Sprintf("image %s, commit %s, configuration %d, as they were then", target.ImageRef, orNone(platform.ShortSHA(target.Commit)), target.ConfigVersion),
	}
	b.body.BlastRadius = b.radius(b.slot.Service + " in " + b.slot.Environment + "; no request is dropped while it swaps")
	b.body.Reversible = fmt.Sprintf("Roll forward: fairlead rollback %s --to %d.", b.slot.Service, b.slot.LiveRelease)
	b.body.Expectation.LiveRelease = target.Number
	b.body.Expectation.Summary = fmt.Sprintf("v%d is live and well%s.", target.Number, b.errorWords())
	return nil
}

func orNone(s string) string {
	if s == "" {
		return "none"
	}
	return s
}

func (b *builder) errorWords() string {
	if b.body.Expectation.MaxErrorRate < 0 {
		return ""
	}
	return fmt.Sprintf(", and at most %g %% of answers are errors for %s", 100*b.body.Expectation.MaxErrorRate, b.body.Expectation.Window)
}

func (b *builder) restart() error {
	if b.slot.LiveReleaseID == "" {
		return nothingLive(b.slot)
	}
	b.body.Risk = riskOf(b.slot, b.body.Action.Kind)
	b.body.Title = "Restart " + b.slot.Service
	b.body.Before = []string{b.liveLine()}
	b.body.After = []string{b.liveLine() + ", each started anew"}
	b.body.BlastRadius = b.radius(b.slot.Service + " in " + b.slot.Environment + "; what its processes hold in memory is lost")
	b.body.Reversible = "Nothing to undo: the same release runs again."
	b.body.Expectation.LiveRelease = b.slot.LiveRelease
	b.body.Expectation.Summary = "Every instance is new and well" + b.errorWords() + "."
	return nil
}

func (b *builder) scale(ctx context.Context) error {
	a := &b.body.Action
	if a.Replicas == 0 && a.MemoryBytes == 0 {
		return platform.Errorf(platform.CodeInvalid, "The action scale names neither instances nor memory.").
			WithHint("Set replicas, memory_bytes or both.").WithField("action.replicas")
	}
	if b.slot.LiveReleaseID == "" {
		return nothingLive(b.slot)
	}
	b.body.Risk = riskOf(b.slot, b.body.Action.Kind)
	b.body.Title = "Scale " + b.slot.Service
	b.body.BlastRadius = b.radius(b.slot.Service + " in " + b.slot.Environment + "; the machine's free memory and CPU")
	b.body.Reversible = fmt.Sprintf("Scale back: fairlead service scale %s %d.", b.slot.Service, b.slot.Replicas)
	if a.Replicas != 0 {
		if err := b.plane.checkReplicas(ctx, b.tx, b.slot, a.Replicas); err != nil {
			return err
		}
		b.body.Title += fmt.Sprintf(" to %s", plural(a.Replicas, "instance"))
		b.body.Before = append(b.body.Before, plural(b.slot.Replicas, "instance"))
		b.body.After = append(b.body.After, plural(a.Replicas, "instance"))
	}
	if a.MemoryBytes != 0 {
		if err := b.memory(ctx); err != nil {
			return err
		}
	}
	b.body.Expectation.Summary = "Every instance is well" + b.errorWords() + "."
	return nil
}

// minMemory is the least that the engine accepts with room for a process.
const minMemory = 16 << 20

func (b *builder) memory(ctx context.Context) error {
	want := b.body.Action.MemoryBytes
	live, err := b.tx.ReleaseByID(ctx, b.slot.LiveReleaseID)
	if err != nil {
		return err
	}
	if want < minMemory {
		return platform.Errorf(platform.CodeInvalid, "%s of memory is too little.", size(want)).
			WithHint("Give at least %s.", size(minMemory)).WithField("action.memory_bytes")
	}
	spec := live.Spec
	spec.Resources.MemoryBytes = want
	if err := b.plane.fitsHost(ctx, spec); err != nil {
		return err
	}
	was := "no limit"
	if live.Spec.Resources.MemoryBytes > 0 {
		was = size(live.Spec.Resources.MemoryBytes)
	}
	b.body.Title += " with " + size(want) + " of memory each"
	b.body.Before = append(b.body.Before, "memory of each instance: "+was)
	b.body.After = append(b.body.After, "memory of each instance: "+size(want)+", until a push says otherwise in fairlead.yaml")
	b.body.Reversible = fmt.Sprintf("Roll back: fairlead rollback %s --to %d.", b.slot.Service, b.slot.LiveRelease)
	return nil
}

func (b *builder) setEnv(ctx context.Context) error {
	a := b.body.Action
	if err := checkKey("action.env_key", a.EnvKey); err != nil {
		return err
	}
	if err := checkValue(platform.Variable{Key: a.EnvKey, Value: a.EnvValue}); err != nil {
		return err
	}
	if a.EnvValue != "" && a.FromRelease != 0 {
		return platform.Errorf(platform.CodeInvalid, "Both a value and a release to take it from are given.").
			WithHint("Give one of them.").WithField("action.from_release")
	}
	now, err := b.tx.ConfigAt(ctx, b.slot.ID, b.slot.ConfigVersion)
	if err != nil {
		return err
	}
	b.body.Before = []string{a.EnvKey + " is not set"}
	if _, set := now.Find(a.EnvKey); set {
		b.body.Before = []string{fmt.Sprintf("%s is set (configuration %d)", a.EnvKey, now.Version)}
	}
	if err := b.valueLine(ctx); err != nil {
		return err
	}
	b.body.Risk = riskOf(b.slot, b.body.Action.Kind)
	b.body.Title = "Set " + a.EnvKey + " in " + b.slot.Service
	b.body.BlastRadius = b.radius(b.slot.Service + " in " + b.slot.Environment + "; a deploy with the new configuration")
	b.body.Reversible = "Set the old value again, or remove it: fairlead env unset " + a.EnvKey + "."
	b.body.Expectation.Summary = "A release with " + a.EnvKey + " is live and well" + b.errorWords() + "."
	return nil
}

func (b *builder) valueLine(ctx context.Context) error {
	a := b.body.Action
	switch {
	case a.FromRelease != 0:
		release, err := b.tx.ReleaseByNumber(ctx, b.slot, a.FromRelease)
		if err != nil {
			return err
		}
		config, err := b.tx.ConfigAt(ctx, b.slot.ID, release.ConfigVersion)
		if err != nil {
			return err
		}
		if _, set := config.Find(a.EnvKey); !set {
			return platform.Errorf(platform.CodeNotFound, "v%d did not have %s set.", a.FromRelease, a.EnvKey).WithField("action.from_release")
		}
		b.body.After = []string{fmt.Sprintf("%s has the value that v%d had", a.EnvKey, a.FromRelease)}
	case a.EnvValue != "":
		b.body.After = []string{a.EnvKey + "=" + platform.Truncate(a.EnvValue, 200)}
	default:
		b.body.After = []string{a.EnvKey + " has the value that the approver gives; it is kept as a secret"}
	}
	return nil
}

var fullSHA = regexp.MustCompile(`^[0-9a-f]{40}([0-9a-f]{24})?$`)

func (b *builder) revert(ctx context.Context) error {
	sha := b.body.Action.Commit
	if !fullSHA.MatchString(sha) {
		return platform.Errorf(platform.CodeInvalid, "%q is not a full SHA.", platform.Truncate(sha, 80)).WithField("action.commit")
	}
	commit, err := b.tx.CommitBySHA(ctx, b.slot.ProjectID, sha)
	if err != nil {
		return err
	}
	project, err := b.tx.ProjectByRef(ctx, string(b.slot.ProjectID))
	if err != nil {
		return err
	}
	head, err := branchHead(ctx, b.tx, project)
	if err != nil {
		return err
	}
	b.body.Preconditions.BranchHead = head
	b.body.Risk = riskOf(b.slot, b.body.Action.Kind)
	b.body.Title = fmt.Sprintf("Revert %s %q on %s", platform.ShortSHA(sha), platform.Truncate(commit.Subject(), 80), project.DefaultBranch)
	b.body.Before = []string{fmt.Sprintf("%s is at %s", project.DefaultBranch, platform.ShortSHA(head)), b.liveLine()}
	b.body.After = []string{
		fmt.Sprintf("%s has one more commit that undoes %s by %s", project.DefaultBranch, platform.ShortSHA(sha), orNone(commit.Author)),
		"services whose files change are built and deployed",
	}
	b.body.BlastRadius = b.radius("every service of " + project.Name + " that is built from the files of the commit")
	b.body.Reversible = "Revert the revert: git revert, then push."
	b.body.Expectation.Summary = b.slot.Service + " is live and well" + b.errorWords() + "."
	return nil
}

// branchHead is the head of the default branch as it was last pushed.
func branchHead(ctx context.Context, tx *store.Tx, project platform.Project) (string, error) {
	branches, err := tx.ListBranches(ctx, project.ID)
	if err != nil {
		return "", err
	}
	for _, br := range branches {
		if br.Name == project.DefaultBranch {
			return br.Head, nil
		}
	}
	return "", platform.Errorf(platform.CodeConflict, "Nothing was pushed to %s of %s yet.", project.DefaultBranch, project.Name)
}
