package toolkit_test

import (
	"context"
	"errors"
	"testing"

	"github.com/mark3labs/mcp-go/client"
	"github.com/mark3labs/mcp-go/mcp"
	"github.com/mark3labs/mcp-go/server"
	"github.com/stretchr/testify/require"

	"github.com/fairlead/fairlead/mcp/toolkit"
	"github.com/fairlead/fairlead/platform"
)

type target struct {
	Service string `json:"service" jsonschema:"the service"`
}

type greeting struct {
	target
	Times int `json:"times,omitempty"`
}

func setup(t *testing.T, call func(context.Context, greeting) (toolkit.Answer, error)) *client.Client {
	t.Helper()
	s := server.NewMCPServer("test", "1", server.WithToolCapabilities(true))
	toolkit.Add(s, toolkit.Tool[greeting]{Name: "greet", Title: "Greet", Description: "Greets a service.", Effect: toolkit.Reads, Call: call})
	c, err := client.NewInProcessClient(s)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, c.Close()) })
	require.NoError(t, c.Start(t.Context()))
	_, err = c.Initialize(t.Context(), mcp.InitializeRequest{Params: mcp.InitializeParams{
		ProtocolVersion: mcp.LATEST_PROTOCOL_VERSION, ClientInfo: mcp.Implementation{Name: "test", Version: "1"},
	}})
	require.NoError(t, err)
	return c
}

func call(t *testing.T, c *client.Client, args map[string]any) *mcp.CallToolResult {
	t.Helper()
	result, err := c.CallTool(t.Context(), mcp.CallToolRequest{Params: mcp.CallToolParams{Name: "greet", Arguments: args}})
	require.NoError(t, err)
	return result
}

func text(t *testing.T, r *mcp.CallToolResult) string {
	t.Helper()
	require.NotEmpty(t, r.Content)
	content, ok := r.Content[0].(mcp.TextContent)
	require.True(t, ok)
	return content.Text
}

func TestTool_AnswersWithDataNoteAndHints(t *testing.T) {
	t.Parallel()
	c := setup(t, func(_ context.Context, in greeting) (toolkit.Answer, error) {
		return toolkit.Answer{
			Data: map[string]any{"hello": in.Service, "times": in.Times}, Text: "hello " + in.Service, Note: "cut at 10 lines",
			Next: []toolkit.Next{{Tool: "greet", Arguments: map[string]any{"service": "b"}, Why: "politeness"}},
		}, nil
	})
	result := call(t, c, map[string]any{"service": "api", "times": 2})
	require.False(t, result.IsError)
	require.Contains(t, text(t, result), "hello api\n\nNote: cut at 10 lines\nNext: greet {\"service\":\"b\"} (politeness)")
	require.Equal(t, map[string]any{"hello": "api", "times": float64(2)}, result.StructuredContent.(map[string]any)["data"])
}

func TestTool_RefusesBadArgumentsByNameAndChangesNothing(t *testing.T) {
	t.Parallel()
	called := false
	c := setup(t, func(context.Context, greeting) (toolkit.Answer, error) {
		called = true
		return toolkit.Answer{}, nil
	})
	for name, tc := range map[string]struct {
		args map[string]any
		want []string
	}{
		"unknown":    {map[string]any{"servise": "api"}, []string{`no argument "servise"`, `Did you mean "service"?`, "Valid arguments: service, times"}},
		"missing":    {map[string]any{"times": 1}, []string{`"service" is missing`}},
		"empty":      {map[string]any{"service": ""}, []string{`"service" is missing`}},
		"wrong type": {map[string]any{"service": "api", "times": "two"}, []string{`"times" has the wrong type`, "int"}},
	} {
		result := call(t, c, tc.args)
		require.Truef(t, result.IsError, name)
		for _, want := range tc.want {
			require.Containsf(t, text(t, result), want, name)
		}
	}
	require.False(t, called)
}

func TestTool_ErrorsAreResultsThatSayTheFix(t *testing.T) {
	t.Parallel()
	c := setup(t, func(_ context.Context, in greeting) (toolkit.Answer, error) {
		if in.Service == "broken" {
			return toolkit.Answer{}, errors.New("dial tcp 10.0.0.1: secret detail")
		}
		return toolkit.Answer{}, platform.Errorf(platform.CodeDenied, "An agent may not approve.").WithHint("Ask a human.")
	})
	result := call(t, c, map[string]any{"service": "api"})
	require.True(t, result.IsError)
	require.Equal(t, "Refused (denied): An agent may not approve.\nFix: Ask a human.", text(t, result))

	result = call(t, c, map[string]any{"service": "broken"})
	require.True(t, result.IsError)
	require.NotContains(t, text(t, result), "secret detail")
}

func TestTool_AnnotationsAreAllSet(t *testing.T) {
	t.Parallel()
	c := setup(t, func(context.Context, greeting) (toolkit.Answer, error) { return toolkit.Answer{}, nil })
	list, err := c.ListTools(t.Context(), mcp.ListToolsRequest{})
	require.NoError(t, err)
	require.Len(t, list.Tools, 1)
	a := list.Tools[0].Annotations
	require.NotEmpty(t, a.Title)
	for _, hint := range []*bool{a.ReadOnlyHint, a.DestructiveHint, a.IdempotentHint, a.OpenWorldHint} {
		require.NotNil(t, hint)
	}
	require.True(t, *a.ReadOnlyHint)
}

func FuzzDecode(f *testing.F) {
	f.Add("service", "api")
	f.Add("times", "3")
	f.Fuzz(func(_ *testing.T, name, value string) {
		_, _ = toolkit.Decode[greeting](map[string]any{name: value})
	})
}
