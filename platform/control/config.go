package control

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/fairlead/fairlead/platform"
	"github.com/fairlead/fairlead/platform/store"
)

// Limits of a slot's own variables.
const (
	maxVariables     = 500
	maxVariableBytes = 64 << 10
	maxKeyLength     = 255
)

var keyForm = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// checkKey refuses names that no process could read, and those that Fairlead sets itself.
func checkKey(field, key string) error {
	if len(key) > maxKeyLength || !keyForm.MatchString(key) {
		return platform.Errorf(platform.CodeInvalid, "%q is not the name of a variable.", platform.Truncate(key, 80)).
			WithHint("Use letters, digits and underscores, not beginning with a digit, for example LOG_LEVEL.").WithField(field)
	}
	if key == "PORT" || strings.HasPrefix(key, "FAIRLEAD_") {
		return platform.Errorf(platform.CodeInvalid, "%s is set by Fairlead itself.", key).
			WithHint("Choose another name; the port is set in fairlead.yaml.").WithField(field)
	}
	return nil
}

func checkValue(v platform.Variable) error {
	if len(v.Value) > maxVariableBytes || strings.ContainsRune(v.Value, 0) {
		return platform.Errorf(platform.CodeInvalid, "The value of %s is longer than %d bytes or holds a NUL byte.", v.Key, maxVariableBytes).
			WithHint("Put large or binary data on a disk.").WithField("set")
	}
	return nil
}

func checkEnv(req platform.SetEnvRequest) error {
	if len(req.Set)+len(req.Unset) == 0 {
		return platform.Errorf(platform.CodeInvalid, "No variable is named.").WithHint("Give one to set or to unset.").WithField("set")
	}
	seen := map[string]bool{}
	check := func(field, key string) error {
		if err := checkKey(field, key); err != nil {
			return err
		}
		if seen[key] {
			return platform.Errorf(platform.CodeInvalid, "%s is named twice.", key).WithField(field)
		}
		seen[key] = true
		return nil
	}
	for _, v := range req.Set {
		if err := check("set", v.Key); err != nil {
			return err
		}
		if err := checkValue(v); err != nil {
			return err
		}
	}
	for _, key := range req.Unset {
		if err := check("unset", key); err != nil {
			return err
		}
	}
	return nil
}

// sealPlace is what a sealed variable is bound to.
func sealPlace(slot platform.SlotID, key string) string { return string(slot) + "/" + key }

// SetEnv makes a new version of a slot's variables and, unless NoDeploy is set or nothing is live, a deploy of the live
// release's image with them. Secret values are sealed; events hold keys only.
func (p *Plane) SetEnv(ctx context.Context, actor platform.Actor, req platform.SetEnvRequest) (platform.SetEnvResult, error) {
	if err := authorize(actor, verbSetEnv, ""); err != nil {
		return platform.SetEnvResult{}, err
	}
	if err := checkEnv(req); err != nil {
		return platform.SetEnvResult{}, err
	}
	var result platform.SetEnvResult
	err := p.store.InTx(ctx, func(tx *store.Tx) error {
		slot, err := lockSlot(ctx, tx, actor, verbSetEnv, req.SlotRef)
		if err != nil {
			return err
		}
		if err := p.permit(ctx, tx, actor, slot, platform.Action{Kind: platform.ActionSetEnv}, nil); err != nil {
			return err
		}
		result, err = p.setEnv(ctx, tx, actor, envChange{slot: slot, set: req.Set, unset: req.Unset, deploy: !req.NoDeploy})
		return err
	})
	return result, err
}

// envChange is a change of a slot's variables.
type envChange struct {
	slot   platform.Slot // locked
	set    []platform.Variable
	unset  []string
	deploy bool
	// retry is a failed deploy that is tried again with the new variables, instead of the live release.
	retry *platform.Deploy
	plan  platform.PlanID
}

func (p *Plane) setEnv(ctx context.Context, tx *store.Tx, actor platform.Actor, c envChange) (platform.SetEnvResult, error) {
	config, err := p.changedConfig(ctx, tx, actor, c)
	if err != nil {
		return platform.SetEnvResult{}, err
	}
	if err := tx.InsertConfig(ctx, config); err != nil {
		return platform.SetEnvResult{}, err
	}
	c.slot.ConfigVersion = config.Version
	c.slot.Generation++
	if err := tx.UpdateSlot(ctx, c.slot); err != nil {
		return platform.SetEnvResult{}, err
	}
	event := p.recordConfig(tx, actor, c, config)
	result := platform.SetEnvResult{Config: hideSecrets(config)}
	if !c.deploy {
		return result, nil
	}
	result.Deploy, err = p.deployConfig(ctx, tx, actor, c, string(event))
	return result, err
}

func (p *Plane) recordConfig(tx *store.Tx, actor platform.Actor, c envChange, config platform.Config) platform.EventID {
	keys := []string{}
	for _, v := range c.set {
		keys = append(keys, v.Key)
	}
	words := []string{}
	if len(keys) > 0 {
		words = append(words, "set "+strings.Join(keys, ", "))
	}
	if len(c.unset) > 0 {
		words = append(words, "removed "+strings.Join(c.unset, ", "))
	}
	return p.record(tx, fact{
		kind: platform.EventConfigChanged, actor: actor, at: inSlot(c.slot), subject: string(c.slot.ID), cause: string(c.plan),
		summary: fmt.Sprintf("%s %s in the configuration of %s (version %d).", actor.Name, strings.Join(words, " and "), c.slot.Service, config.Version),
		payload: map[string]any{"version": config.Version, "set": keys, "unset": append([]string{}, c.unset...)},
	})
}

// changedConfig is the newest configuration with the change made, secrets sealed.
func (p *Plane) changedConfig(ctx context.Context, tx *store.Tx, actor platform.Actor, c envChange) (platform.Config, error) {
	old, err := tx.ConfigAt(ctx, c.slot.ID, c.slot.ConfigVersion)
	if err != nil {
		return old, err
	}
	vars := map[string]platform.Variable{}
	for _, v := range old.Vars {
		vars[v.Key] = v
	}
	for _, key := range c.unset {
		if _, there := vars[key]; !there {
			return old, missingVariable(c.slot, key, old)
		}
		delete(vars, key)
	}
	for _, v := range c.set {
		v.Secret = v.Secret || vars[v.Key].Secret // what was once secret stays so until it is removed
		if v.Secret {
			if v.Value, err = p.o.Sealer.Seal(v.Value, sealPlace(c.slot.ID, v.Key)); err != nil {
				return old, err
			}
		}
		vars[v.Key] = v
	}
	if len(vars) > maxVariables {
		return old, platform.Errorf(platform.CodeExhausted, "%s would have %d variables; %d are possible.", c.slot.Ref(), len(vars), maxVariables)
	}
	next := platform.Config{SlotID: c.slot.ID, Version: old.Version + 1, Vars: []platform.Variable{}, Actor: actor, CreatedAt: p.now()}
	for _, v := range vars {
		next.Vars = append(next.Vars, v)
	}
	slices.SortFunc(next.Vars, func(a, b platform.Variable) int { return strings.Compare(a.Key, b.Key) })
	return next, nil
}

func missingVariable(slot platform.Slot, key string, config platform.Config) error {
	names := []string{}
	for _, v := range config.Vars {
		names = append(names, v.Key)
	}
	e := platform.Errorf(platform.CodeNotFound, "%s has no variable %q of its own.", slot.Ref(), platform.Truncate(key, 80)).WithField("unset")
	return didYouMean(e, key, names)
}

// deployConfig brings the new variables live: with what is under way, since its image would otherwise go live without
// them; else with the deploy that is tried again; else with the live release. Nil when there is none of these.
func (p *Plane) deployConfig(ctx context.Context, tx *store.Tx, actor platform.Actor, c envChange, cause string) (*platform.Deploy, error) {
	order := deployOrder{slot: c.slot, trigger: platform.TriggerConfig, plan: c.plan, cause: cause}
	if c.plan != "" {
		order.cause = string(c.plan)
	}
	base := c.retry
	open, err := tx.OpenDeploysOf(ctx, c.slot.ID)
	if err != nil {
		return nil, err
	}
	if newest := newestOpen(open); newest != nil {
		base = newest
	}
	image := platform.ReleaseID("")
	switch {
	case base != nil:
		order.spec, order.image, order.branch, image = base.Spec, base.Image, base.Branch, base.ReleaseID
		if base.Commit != "" {
			if order.commit, err = tx.CommitBySHA(ctx, c.slot.ProjectID, base.Commit); err != nil && platform.CodeOf(err) != platform.CodeNotFound {
				return nil, err
			}
			order.commit.SHA = base.Commit
		}
		if image == "" && base.Spec.Build != nil {
			order.image = "" // it is built, again or for the first time
		}
	case c.slot.LiveReleaseID != "":
		image = c.slot.LiveReleaseID
	default:
		return nil, nil //nolint:nilnil // nothing is live: the first deploy will take the new variables
	}
	return p.queueConfigDeploy(ctx, tx, actor, order, image)
}

// queueConfigDeploy queues the deploy; where the image is known its release is made at once, so that nothing is built.
func (p *Plane) queueConfigDeploy(ctx context.Context, tx *store.Tx, actor platform.Actor, o deployOrder, image platform.ReleaseID) (*platform.Deploy, error) {
	var from platform.Release
	var err error
	if image != "" {
		if from, err = tx.ReleaseByID(ctx, image); err != nil {
			return nil, err
		}
		o.spec, o.image = from.Spec, from.ImageRef
		if o.commit.SHA == "" && from.Commit != "" {
			if o.commit, err = tx.CommitBySHA(ctx, o.slot.ProjectID, from.Commit); err != nil && platform.CodeOf(err) != platform.CodeNotFound {
				return nil, err
			}
			o.commit.SHA = from.Commit
		}
	}
	d, err := p.queueDeploy(ctx, tx, actor, o)
	if err != nil || image == "" {
		return &d, err
	}
	release, err := p.createRelease(ctx, tx, o.slot, d, from.ImageID)
	if err != nil {
		return nil, err
	}
	d.ReleaseID, d.ReleaseNumber = release.ID, release.Number
	return &d, tx.UpdateDeploy(ctx, d)
}

// hideSecrets is the configuration as people see it.
func hideSecrets(c platform.Config) platform.Config {
	c.Vars = slices.Clone(c.Vars)
	for i := range c.Vars {
		if c.Vars[i].Secret {
			c.Vars[i].Value = ""
		}
	}
	return c
}

// GetEnv returns the newest configuration with the values of secret keys removed.
func (p *Plane) GetEnv(ctx context.Context, actor platform.Actor, ref platform.SlotRef) (platform.Config, error) {
	var config platform.Config
	err := p.store.View(ctx, func(tx *store.Tx) error {
		slot, err := findSlot(ctx, tx, actor, verbRead, ref)
		if err != nil {
			return err
		}
		found, err := tx.ConfigAt(ctx, slot.ID, slot.ConfigVersion)
		config = hideSecrets(found)
		return err
	})
	return config, err
}

// Redactions returns every secret value of a project, for redaction of its logs; never shown. Old values are among
// them: they may still be in use elsewhere.
func (p *Plane) Redactions(ctx context.Context, project string) ([]string, error) {
	values := []string{}
	err := p.store.View(ctx, func(tx *store.Tx) error {
		values = values[:0]
		found, err := tx.ProjectByRef(ctx, project)
		if err != nil {
			return err
		}
		configs, err := tx.ConfigsOf(ctx, found.ID)
		if err != nil {
			return err
		}
		seen := map[string]bool{}
		for _, c := range configs {
			for _, v := range c.Vars {
				if !v.Secret || seen[v.Value] {
					continue // a version that did not change the variable holds the same sealed form
				}
				seen[v.Value] = true
				value, err := p.o.Sealer.Open(v.Value, sealPlace(c.SlotID, v.Key))
				if err != nil {
					p.o.Log.Error("secret does not open", "slot", c.SlotID, "key", v.Key, "error", err)
					continue
				}
				values = append(values, value)
			}
		}
		return nil
	})
	slices.Sort(values)
	return slices.Compact(values), err
}
