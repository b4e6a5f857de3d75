package main

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fairlead/fairlead/platform"
)

// goodServices is a blueprint's list that changes nothing by itself: pushes do not deploy it.
const goodServices = "  - {name: api, type: private, port: 8000, autoDeploy: false}\n"

// refuseBlueprint gives a bad fairlead.yaml to every face that takes one: `project create`, the API and a push to a
// project that exists. Each must say the words, and none may apply anything. In the text, PROJECT stands for the name.
func refuseBlueprint(t *testing.T, text string, words ...string) {
	t.Helper()
	r := setup(t)

	name := r.newName()
	bad := strings.ReplaceAll(text, "PROJECT", name)
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "fairlead.yaml"), []byte(bad), 0o644))
	said := r.refused(t, 2, dir, "project", "create")
	require.True(t, strings.HasPrefix(said, "Error: "), said)
	containsAll(t, said, words)
	r.absent(t, name)

	body, err := json.Marshal(platform.CreateProjectRequest{Blueprint: bad})
	require.NoError(t, err)
	p := r.problem(t, r.admin, http.MethodPost, "/v1/projects", string(body))
	require.Equal(t, http.StatusUnprocessableEntity, p.Status)
	require.Equal(t, platform.CodeInvalid, p.Code)
	containsAll(t, p.Detail+"\n"+p.Hint, words)
	r.absent(t, name)

	project, g := r.project(t, goodServices)
	g.commit("a bad blueprint", files{"fairlead.yaml": strings.ReplaceAll(text, "PROJECT", project)})
	out := g.push(project)
	require.Contains(t, out, "remote: nothing was applied: ")
	containsAll(t, out, words)
	r.untouched(t, project, "api")
}

func containsAll(t *testing.T, text string, words []string) {
	t.Helper()
	for _, w := range words {
		require.Contains(t, text, w)
	}
}

func TestBadInput_MalformedYAMLIsRefusedByLineAndColumn(t *testing.T) {
	t.Parallel()
	refuseBlueprint(t, "project: PROJECT\nservices:\n  - name: api\n    type: web: private\n",
		"fairlead.yaml, line 4, column 14: this is not YAML", "Check the indentation")
}

func TestBadInput_BlueprintOfTheWrongShapeSaysWhatWasExpected(t *testing.T) {
	t.Parallel()
	refuseBlueprint(t, "project: PROJECT\nservices:\n  - name: api\n    type: web\n    ports: 8000\n",
		"fairlead.yaml, line 3, column 5: services[0].port is missing", "a web service needs the port that its process listens on",
		`line 5, column 5: "ports" is not a key that may stand in services[0]`, "Did you mean port?")
}

func TestBadInput_ServiceNameThatIsNoDNSLabelIsRefused(t *testing.T) {
	t.Parallel()
	refuseBlueprint(t, "project: PROJECT\nservices:\n  - {name: My_API, type: private, port: 8000}\n",
		`fairlead.yaml, line 3, column 12: services[0].name is "My_API", which is not a DNS label`, "1 to 63 lower-case letters, digits and hyphens")
}

func TestBadInput_MemoryLimitAboveTheHostsIsRefused(t *testing.T) {
	t.Parallel()
	refuseBlueprint(t, "project: PROJECT\nservices:\n  - {name: api, type: private, port: 8000, resources: {memory: 900Ti}}\n",
		"api asks for 921600 GiB of memory, and this host has ", "In fairlead.yaml, set resources.memory of api to at most ")
}

func TestBadInput_ServiceTypesOfLaterAreRefusedAsNotSupportedYet(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{"cron", "static", "postgres"} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			refuseBlueprint(t, "project: PROJECT\nservices:\n  - name: api\n    type: "+kind+"\n",
				"fairlead.yaml, line 4, column 11: services[0].type is "+kind+", which blueprints do not support yet; expected web, private or worker")
		})
	}
}
