package platform_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fairlead/fairlead/platform"
)

func TestEventKinds_ListsEveryConstant(t *testing.T) {
	t.Parallel()
	file, err := parser.ParseFile(token.NewFileSet(), "event.go", nil, 0)
	require.NoError(t, err)
	var declared []platform.EventKind
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok {
			return true
		}
		if kind, ok := spec.Type.(*ast.Ident); ok && kind.Name == "EventKind" {
			literal, ok := spec.Values[0].(*ast.BasicLit)
			require.True(t, ok)
			name, err := strconv.Unquote(literal.Value)
			require.NoError(t, err)
			declared = append(declared, platform.EventKind(name))
		}
		return true
	})
	require.NotEmpty(t, declared)
	require.Equal(t, declared, platform.EventKinds())
}
