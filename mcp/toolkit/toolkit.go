// Package toolkit turns a typed Go function into an MCP tool: strict arguments, annotations on every tool, structured
// answers with hints for the next call, and errors as results that a model can correct.
//
// It owns how a tool is offered and how an answer and an error look. It must not know what any tool does.
package toolkit

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"sort"
	"strings"

	"github.com/mark3labs/mcp-go/mcp"
	"github.com/mark3labs/mcp-go/server"

	"github.com/fairlead/fairlead/platform"
)

// Effect says what a call may do to the world. It sets the annotations of the tool: advice to clients, never the
// protection itself, which is the server's authorisation.
type Effect string

// The effects.
const (
	Reads    Effect = "reads"    // changes nothing
	Proposes Effect = "proposes" // records a plan that a human must approve; changes nothing that runs
)

// Tool is one operation offered to models. In is a struct whose json tags name the arguments and whose
// jsonschema tags describe them; a field without omitempty is required.
type Tool[In any] struct {
	Name        string
	Title       string
	Description string
	Effect      Effect
	Call        func(ctx context.Context, in In) (Answer, error)
}

// Answer is what a tool returns.
type Answer struct {
	// Data is the structured content, an object or a list.
	Data any
	// Text is a short form for reading; where it is empty the data is given as JSON.
	Text string
	// Next are the calls that usually follow.
	Next []Next
	// Note says what the reader must know of the answer: that it was cut and how to narrow it, or why it is empty.
	Note string
}

// Next is a hint: a tool and the arguments to call it with.
type Next struct {
	Tool      string         `json:"tool"`
	Arguments map[string]any `json:"arguments,omitempty"`
	Why       string         `json:"why,omitempty"`
}

// structured is the shape of every structured answer.
type structured struct {
	Data any    `json:"data"`
	Note string `json:"note,omitempty"`
	Next []Next `json:"next,omitempty"`
}

// failure is the shape of every refusal.
type failure struct {
	Error *platform.Error `json:"error"`
}

const outputSchema = `{"type":"object","properties":{"data":{},"note":{"type":"string"},"next":{"type":"array",` +
	`"items":{"type":"object","properties":{"tool":{"type":"string"},"arguments":{"type":"object"},"why":{"type":"string"}},"required":["tool"]}}},"required":["data"]}`

// Add registers the tool with an MCP server.
func Add[In any](s *server.MCPServer, t Tool[In]) {
	reads, no := t.Effect == Reads, false
	tool := mcp.NewTool(t.Name,
		mcp.WithDescription(t.Description),
		mcp.WithInputSchema[In](),
		mcp.WithRawOutputSchema(json.RawMessage(outputSchema)),
		mcp.WithToolAnnotation(mcp.ToolAnnotation{
			Title: t.Title, ReadOnlyHint: &reads, DestructiveHint: &no, IdempotentHint: &reads, OpenWorldHint: &no,
		}),
	)
	s.AddTool(tool, func(ctx context.Context, req mcp.CallToolRequest) (*mcp.CallToolResult, error) {
		in, err := Decode[In](req.GetRawArguments())
		if err != nil {
			return refuse(err), nil
		}
		answer, err := t.Call(ctx, in)
		if err != nil {
			return refuse(err), nil
		}
		return answerResult(answer)
	})
}

// Decode reads arguments strictly: an unknown name is refused with the nearest valid one and the list of all, a value of
// the wrong type with the type that is wanted, and a required argument that is missing by its name.
func Decode[In any](raw any) (In, error) {
	var in In
	data, err := json.Marshal(raw)
	if err != nil {
		return in, platform.Errorf(platform.CodeInvalid, "The arguments are not JSON.")
	}
	given := map[string]json.RawMessage{}
	if raw != nil {
		if err := json.Unmarshal(data, &given); err != nil {
			return in, platform.Errorf(platform.CodeInvalid, "The arguments are not a JSON object.").WithHint("Send an object with named arguments.")
		}
	}
	names, required := argumentNames(reflect.TypeFor[In]())
	for name := range given {
		if !contains(names, name) {
			return in, unknownArgument(name, names)
		}
	}
	for _, name := range required {
		if value, ok := given[name]; !ok || bytes.Equal(bytes.TrimSpace(value), []byte(`""`)) {
			return in, platform.Errorf(platform.CodeInvalid, "The argument %q is missing.", name).
				WithHint("Required: %s.", strings.Join(required, ", ")).WithField(name)
		}
	}
	if len(given) == 0 {
		return in, nil
	}
	return in, decodeError(json.Unmarshal(data, &in))
}

func unknownArgument(name string, names []string) error {
	hint := "Valid arguments: " + strings.Join(names, ", ") + "."
	if len(names) == 0 {
		hint = "This tool takes no arguments."
	}
	if near := platform.Nearest(name, names); near != "" {
		hint = fmt.Sprintf("Did you mean %q? %s", near, hint)
	}
	return platform.Errorf(platform.CodeInvalid, "There is no argument %q.", platform.Truncate(name, 80)).WithHint("%s", hint).WithField(name)
}

func decodeError(err error) error {
	if err == nil {
		return nil
	}
	var wrongType *json.UnmarshalTypeError
	if errors.As(err, &wrongType) {
		return platform.Errorf(platform.CodeInvalid, "The argument %q has the wrong type: %s was given.", wrongType.Field, wrongType.Value).
			WithHint("Give a value of type %s.", wrongType.Type).WithField(wrongType.Field)
	}
	var ours *platform.Error
	if errors.As(err, &ours) {
		return ours
	}
	return platform.Errorf(platform.CodeInvalid, "The arguments cannot be read: %s.", err)
}

// argumentNames lists the JSON names of a struct's fields, embedded structs included, and those that are required.
func argumentNames(t reflect.Type) (names, required []string) {
	for i := range t.NumField() {
		field := t.Field(i)
		tag, options, _ := strings.Cut(field.Tag.Get("json"), ",")
		switch {
		case field.Anonymous && tag == "":
			inner, innerRequired := argumentNames(field.Type)
			names, required = append(names, inner...), append(required, innerRequired...)
		case tag == "-" || !field.IsExported():
		default:
			names = append(names, tag)
			if !strings.Contains(options, "omitempty") {
				required = append(required, tag)
			}
		}
	}
	sort.Strings(names)
	return names, required
}

func contains(names []string, name string) bool {
	for _, n := range names {
		if n == name {
			return true
		}
	}
	return false
}

func answerResult(a Answer) (*mcp.CallToolResult, error) {
	content := structured{Data: a.Data, Note: a.Note, Next: a.Next}
	text := a.Text
	if text == "" {
		raw, err := json.MarshalIndent(a.Data, "", " ")
		if err != nil {
			return nil, fmt.Errorf("encode answer: %w", err)
		}
		text = string(raw)
	}
	var b strings.Builder
	b.WriteString(text)
	if a.Note != "" {
		b.WriteString("\n\nNote: " + a.Note)
	}
	for _, n := range a.Next {
		args, err := json.Marshal(n.Arguments)
		if err != nil {
			return nil, fmt.Errorf("encode hint: %w", err)
		}
		fmt.Fprintf(&b, "\nNext: %s %s", n.Tool, args)
		if n.Why != "" {
			b.WriteString(" (" + n.Why + ")")
		}
	}
	return &mcp.CallToolResult{Content: []mcp.Content{mcp.NewTextContent(b.String())}, StructuredContent: content}, nil
}

// refuse makes an error a result, so that the model reads it and can correct the call.
func refuse(err error) *mcp.CallToolResult {
	var e *platform.Error
	if !errors.As(err, &e) {
		e = platform.Errorf(platform.CodeInternal, "The call failed inside Fairlead.").WithHint("Try again; the server's log has the details.")
	}
	text := fmt.Sprintf("Refused (%s): %s", e.Code, e.Message)
	if e.Hint != "" {
		text += "\nFix: " + e.Hint
	}
	return &mcp.CallToolResult{
		Content:           []mcp.Content{mcp.NewTextContent(text)},
		StructuredContent: failure{Error: e},
		IsError:           true,
	}
}
