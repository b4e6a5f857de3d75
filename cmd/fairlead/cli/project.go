package cli

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/fairlead/fairlead/platform"
	"github.com/fairlead/fairlead/platform/client"
)

func (a *app) projectCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "project", Aliases: []string{"projects"}, Short: "Make, list, show and delete projects"}
	cmd.AddCommand(a.projectCreateCommand(), a.projectListCommand(), a.projectShowCommand(), a.projectDeleteCommand(), a.projectRetentionCommand())
	return cmd
}

func (a *app) projectCreateCommand() *cobra.Command {
	var file string
	var dryRun bool
	cmd := &cobra.Command{
		Use: "create", Short: "Make a project from its fairlead.yaml", Args: args(),
		Example: "  fairlead project create -f fairlead.yaml\n  fairlead project create --dry-run",
		RunE: func(cmd *cobra.Command, _ []string) error {
			blueprint, err := a.readFile(file)
			if err != nil {
				return err
			}
			p, err := call(cmd.Context(), a, func(ctx context.Context, c *client.Client) (platform.ProjectDetail, error) {
				return c.CreateProject(ctx, platform.CreateProjectRequest{Blueprint: blueprint, DryRun: dryRun})
			})
			if err != nil || a.json() {
				return a.result(p, err)
			}
			if dryRun {
				a.out.print("%s is well. Project %s would have:", file, p.Name)
				a.services(p)
				return nil
			}
			a.out.print("Project %s is made.", a.out.bold(p.Name))
			a.services(p)
			a.out.print("\nPush to deploy it:\n  git remote add fairlead %s\n  git push fairlead %s", p.GitURL, p.DefaultBranch)
			return nil
		},
	}
	cmd.Flags().StringVarP(&file, "file", "f", "fairlead.yaml", "the blueprint; - reads standard input")
	cmd.Flags().BoolVar(&dryRun, "dry-run", false, "check it and show what would be made")
	return cmd
}

func (a *app) readFile(name string) (string, error) {
	return a.readText("blueprint", name, "Name it with -f.")
}

// readText reads a file of the working folder, or standard input for -.
func (a *app) readText(noun, name, fix string) (string, error) {
	var raw []byte
	var err error
	if name == "-" {
		raw, err = io.ReadAll(io.LimitReader(a.In, 1<<20))
	} else {
		if !filepath.IsAbs(name) {
			name = filepath.Join(a.Dir, name)
		}
		raw, err = os.ReadFile(name)
	}
	if err != nil {
		return "", platform.Errorf(platform.CodeInvalid, "The %s cannot be read: %v.", noun, err).WithHint("%s", fix).WithField("file")
	}
	return string(raw), nil
}

func (a *app) projectListCommand() *cobra.Command {
	return &cobra.Command{
		Use: "list", Aliases: []string{"ls"}, Short: "List projects", Args: args(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			l, err := call(cmd.Context(), a, func(ctx context.Context, c *client.Client) (platform.List[platform.Project], error) {
				return c.ListProjects(ctx, platform.Page{Limit: platform.MaxPageLimit})
			})
			if err != nil || a.json() {
				return a.result(l, err)
			}
			var rows [][]string
			for _, p := range l.Items {
				rows = append(rows, []string{p.Name, p.DefaultBranch, a.out.ago(p.CreatedAt), string(p.ID)})
			}
			a.listed(rows, "There is no project yet. Make one with `fairlead project create`.", "NAME", "BRANCH", "MADE", "ID")
			return nil
		},
	}
}

func (a *app) projectShowCommand() *cobra.Command {
	return &cobra.Command{
		Use: "show [project]", Short: "Show a project with its services", Args: args("[project]"),
		RunE: func(cmd *cobra.Command, given []string) error {
			p, err := call(cmd.Context(), a, func(ctx context.Context, c *client.Client) (platform.ProjectDetail, error) {
				name, err := a.named(ctx, c, given)
				if err != nil {
					return platform.ProjectDetail{}, err
				}
				return c.GetProject(ctx, name)
			})
			if err != nil || a.json() {
				return a.result(p, err)
			}
			var environments []string
			for _, e := range p.Environments {
				environments = append(environments, e.Name)
			}
			logs := ""
			if p.Logs != nil {
				logs = platform.FormatSize(p.Logs.Stored) + " kept, " + keptWords(p.Logs.LogRetention, "without a limit")
			}
			a.out.fields("project", a.out.bold(p.Name), "id", string(p.ID), "branch", p.DefaultBranch, "git", p.GitURL,
				"environments", strings.Join(environments, ", "), "logs", logs, "made", a.out.when(p.CreatedAt))
			a.out.print("")
			a.services(p)
			return nil
		},
	}
}

// named is the project given as argument, or the one the surroundings name.
func (a *app) named(ctx context.Context, c *client.Client, given []string) (string, error) {
	if len(given) > 0 {
		return given[0], nil
	}
	return a.projectName(ctx, c)
}

func (a *app) services(p platform.ProjectDetail) {
	var rows [][]string
	for _, s := range p.Services {
		source := s.Spec.Image
		if s.Spec.Build != nil {
			source = s.Spec.Build.Dockerfile
		}
		rows = append(rows, []string{"  " + s.Name, string(s.Kind), dash(source)})
	}
	a.out.table([]string{"  SERVICE", "KIND", "FROM"}, rows)
}

func (a *app) projectDeleteCommand() *cobra.Command {
	var yes, volumes bool
	cmd := &cobra.Command{
		Use: "delete <project>", Short: "Delete a project, what runs there and its Git repository", Args: args("<project>"),
		Long: "Delete a project: its containers, networks, images and Git repository go.\n" +
			"Its volumes and the data on them are kept unless --volumes is given; its events are always kept.",
		RunE: func(cmd *cobra.Command, given []string) error {
			if !yes {
				what := "the project; its volumes are kept"
				if volumes {
					what = "the project AND ITS VOLUMES with all their data"
				}
				if err := a.confirm(fmt.Sprintf("Type %s to delete %s: ", given[0], what), given[0]); err != nil {
					return err
				}
			}
			c, err := a.client()
			if err != nil {
				return err
			}
			if err := c.DeleteProject(cmd.Context(), platform.DeleteProjectRequest{Project: given[0], Volumes: volumes}); err != nil {
				return err
			}
			if a.json() {
				return a.out.json(map[string]string{"deleted": given[0]})
			}
			kept := "Its volumes are kept."
			if volumes {
				kept = "Its volumes are deleted too."
			}
			a.out.print("Project %s is deleted; its containers, networks, images and repository are removed now. %s", given[0], kept)
			return nil
		},
	}
	cmd.Flags().BoolVar(&yes, "yes", false, "do not ask")
	cmd.Flags().BoolVar(&volumes, "volumes", false, "delete the project's volumes and their data too")
	return cmd
}

// confirm asks for a word before something that cannot be undone.
func (a *app) confirm(prompt, word string) error {
	fmt.Fprint(a.Err, prompt)
	line, _ := bufio.NewReader(io.LimitReader(a.In, 4<<10)).ReadString('\n')
	if strings.TrimSpace(line) != word {
		return platform.Errorf(platform.CodeInvalid, "Nothing was deleted: %q was not typed.", word).WithHint("Add --yes to go without asking.")
	}
	return nil
}

// result ends a verb in JSON, or with its error.
func (a *app) result(v any, err error) error {
	if err != nil {
		return err
	}
	return a.out.json(v)
}

// listed writes a table, or a sentence when there are no rows.
func (a *app) listed(rows [][]string, none string, heading ...string) {
	if len(rows) == 0 {
		a.out.print("%s", none)
		return
	}
	a.out.table(heading, rows)
}
