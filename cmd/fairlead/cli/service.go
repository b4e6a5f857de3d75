package cli

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/fairlead/fairlead/platform"
	"github.com/fairlead/fairlead/platform/client"
)

func (a *app) serviceCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "service", Aliases: []string{"services"}, Short: "List, show, scale and restart services"}
	cmd.AddCommand(a.serviceListCommand(), a.serviceShowCommand(), a.serviceScaleCommand(), a.serviceRestartCommand())
	return cmd
}

func (a *app) serviceListCommand() *cobra.Command {
	return &cobra.Command{
		Use: "list", Aliases: []string{"ls"}, Short: "List a project's services with what runs", Args: args(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			all, err := call(cmd.Context(), a, func(ctx context.Context, c *client.Client) ([]platform.SlotDetail, error) {
				name, err := a.projectName(ctx, c)
				if err != nil {
					return nil, err
				}
				return c.ListSlots(ctx, name)
			})
			if err != nil {
				return err
			}
			kept := []platform.SlotDetail{}
			for _, s := range all {
				if a.environment == "" || s.Environment == a.environment {
					kept = append(kept, s)
				}
			}
			if a.json() {
				return a.out.json(platform.List[platform.SlotDetail]{Items: kept})
			}
			a.slots(kept)
			return nil
		},
	}
}

func (a *app) slots(all []platform.SlotDetail) {
	var rows [][]string
	for _, s := range all {
		ready := 0
		for _, in := range s.Instances {
			if in.State == platform.InstanceReady {
				ready++
			}
		}
		release := "-"
		if s.LiveRelease > 0 {
			release = "v" + strconv.Itoa(s.LiveRelease)
			if s.Live != nil && s.Live.Commit != "" {
				release += " " + platform.ShortSHA(s.Live.Commit)
			}
		}
		rows = append(rows, []string{s.Ref(), string(s.Kind), a.out.state(s.Status), release, fmt.Sprintf("%d/%d", ready, s.Replicas), dash(s.URL)})
	}
	a.listed(rows, "There is no service yet.", "SERVICE", "KIND", "STATUS", "RELEASE", "READY", "URL")
}

func (a *app) serviceShowCommand() *cobra.Command {
	return &cobra.Command{
		Use: "show <service>", Short: "Show a service: release, instances, newest deploy, open incidents", Args: args("<service>"),
		RunE: func(cmd *cobra.Command, given []string) error {
			s, err := slotCall(cmd.Context(), a, given[0], func(ctx context.Context, c *client.Client, ref platform.SlotRef) (platform.SlotDetail, error) {
				return c.GetSlot(ctx, ref)
			})
			if err != nil || a.json() {
				return a.result(s, err)
			}
			a.showSlot(s)
			return nil
		},
	}
}

func slotCall[T any](ctx context.Context, a *app, target string, do func(context.Context, *client.Client, platform.SlotRef) (T, error)) (T, error) {
	return call(ctx, a, func(ctx context.Context, c *client.Client) (T, error) {
		ref, err := a.slot(ctx, c, target)
		if err != nil {
			var none T
			return none, err
		}
		return do(ctx, c, ref)
	})
}

func (a *app) showSlot(s platform.SlotDetail) {
	live := ""
	if s.Live != nil {
		live = fmt.Sprintf("v%d", s.Live.Number)
		if s.Live.Commit != "" {
			live += " of " + platform.ShortSHA(s.Live.Commit)
		}
		live += ", made " + a.out.ago(s.Live.CreatedAt)
	}
	newest := ""
	if s.Deploy != nil {
		newest = fmt.Sprintf("%s %s %s", s.Deploy.ID, a.out.state(string(s.Deploy.Phase)), a.out.ago(s.Deploy.CreatedAt))
	}
	a.out.fields("service", a.out.bold(s.Ref()), "kind", string(s.Kind), "status", a.out.state(s.Status), "url", s.URL, "hosts", strings.Join(s.Hosts, ", "),
		"live", live, "deploy", newest, "replicas", strconv.Itoa(s.Replicas), "disk", diskText(s.Disk), "autonomy", string(s.Autonomy))
	if len(s.Instances) > 0 {
		a.out.print("")
		a.instances(s.Instances)
	}
	if len(s.Incidents) > 0 {
		a.out.print("")
		a.incidents(s.Incidents)
	}
}

// diskText says how full a disk is, and when it is full if that can be told.
func diskText(d *platform.DiskUse) string {
	if d == nil {
		return ""
	}
	const gib = 1 << 30
	text := fmt.Sprintf("%s, %.1f of %.0f GiB used", d.Name, float64(d.UsedBytes)/gib, float64(d.CapacityBytes)/gib)
	switch {
	case d.FullIn == nil:
		return text
	case *d.FullIn <= 0:
		return text + ", full"
	}
	return text + ", full in " + span(d.FullIn.D())
}

func (a *app) instances(all []platform.Instance) {
	var rows [][]string
	for _, in := range all {
		rows = append(rows, []string{
			string(in.ID), a.out.state(string(in.State)), "v" + strconv.Itoa(in.ReleaseNumber), in.Address, strconv.Itoa(in.Restarts),
			a.out.ago(in.StartedAt), oneLine(in.Reason, 60),
		})
	}
	a.out.table([]string{"INSTANCE", "STATE", "RELEASE", "ADDRESS", "RESTARTS", "STARTED", "REASON"}, rows)
}

func (a *app) serviceScaleCommand() *cobra.Command {
	return &cobra.Command{
		Use: "scale <service> <replicas>", Short: "Set the wanted number of instances", Args: args("<service>", "<replicas>"),
		RunE: func(cmd *cobra.Command, given []string) error {
			n, err := strconv.Atoi(given[1])
			if err != nil || n < 0 || n > platform.MaxReplicas {
				return platform.Errorf(platform.CodeInvalid, "%q is not a number of instances.", given[1]).WithHint("Write 0 to %d.", platform.MaxReplicas).WithField("replicas")
			}
			s, err := slotCall(cmd.Context(), a, given[0], func(ctx context.Context, c *client.Client, ref platform.SlotRef) (platform.Slot, error) {
				return c.Scale(ctx, platform.ScaleRequest{SlotRef: ref, Replicas: n})
			})
			if err != nil || a.json() {
				return a.result(s, err)
			}
			a.out.print("%s is to have %d instances.", s.Ref(), s.Replicas)
			return nil
		},
	}
}

func (a *app) serviceRestartCommand() *cobra.Command {
	var reason string
	cmd := &cobra.Command{
		Use: "restart <service>", Short: "Replace every instance, one after another", Args: args("<service>"),
		RunE: func(cmd *cobra.Command, given []string) error {
			s, err := slotCall(cmd.Context(), a, given[0], func(ctx context.Context, c *client.Client, ref platform.SlotRef) (platform.Slot, error) {
				return c.Restart(ctx, ref, reason)
			})
			if err != nil || a.json() {
				return a.result(s, err)
			}
			a.out.print("The instances of %s are being replaced, one after another.", s.Ref())
			return nil
		},
	}
	cmd.Flags().StringVar(&reason, "reason", "", "why, for the timeline")
	return cmd
}
