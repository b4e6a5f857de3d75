package main

import (
	"bytes"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fairlead/fairlead/cmd/fairlead/cli"
)

// advised finds command lines in text: in backticks, after a colon, or on an indented line of their own.
var advised = regexp.MustCompile("(?:`|: |\n +)fairlead ([a-z][a-z-]*[^`\"\n;,()]*)")

// TestHints_NameCommandLinesThatTheProgramTakes reads every text of the product that names a command line of fairlead:
// the command and its flags must exist, and it must have the arguments that it needs.
func TestHints_NameCommandLinesThatTheProgramTakes(t *testing.T) {
	t.Parallel()
	checked := 0
	for place, text := range productTexts(t) {
		for _, found := range advised.FindAllStringSubmatch(text, -1) {
			words := strings.Fields(found[1])
			for i := range words {
				words[i] = strings.TrimRight(words[i], ".:!?")
			}
			checkAdvice(t, place, words)
			checked++
		}
	}
	require.Greater(t, checked, 30, "the walk must have found the hints")
}

func checkAdvice(t *testing.T, place string, words []string) {
	t.Helper()
	path := words[:1]
	help, exists := helpOf(t, path)
	require.Truef(t, exists, "%s: there is no command fairlead %s", place, path[0])
	for len(path) < len(words) {
		deeper, exists := helpOf(t, words[:len(path)+1])
		if !exists {
			break
		}
		path, help = words[:len(path)+1], deeper
	}
	rest := words[len(path):]
	line := strings.Join(words, " ")
	required, most := arguments(help)
	given := 0
	for i := 0; i < len(rest); i++ {
		word := rest[i]
		if !strings.HasPrefix(word, "-") {
			given++
			continue
		}
		name, _, inline := strings.Cut(word, "=")
		takesValue, exists := flagOf(help, name)
		require.Truef(t, exists, "%s: fairlead %s: there is no flag %s", place, line, name)
		if takesValue && !inline {
			i++ // its value
		}
	}
	if len(rest) == 0 {
		return // only the name of a command
	}
	require.GreaterOrEqualf(t, given, required, "%s: fairlead %s lacks an argument", place, line)
	require.LessOrEqualf(t, given, most, "%s: fairlead %s has too many arguments", place, line)
}

// flagOf finds a flag in the help of a command, where it stands as "-f, --file string   the blueprint".
func flagOf(help, name string) (takesValue, exists bool) {
	quoted := regexp.QuoteMeta(name)
	long := `(?:-\w, )?` + quoted
	if !strings.HasPrefix(name, "--") {
		long = quoted + `, --[a-z-]+`
	}
	found := regexp.MustCompile(`(?m)^ +` + long + `(?: (\w+))?  `).FindStringSubmatch(help)
	return found != nil && found[1] != "", found != nil
}

// helpOf returns the help of a command.
func helpOf(t *testing.T, path []string) (help string, exists bool) {
	t.Helper()
	var out, errOut bytes.Buffer
	code := cli.Run(t.Context(), cli.Options{
		Args: append([]string{"help"}, path...), In: strings.NewReader(""), Out: &out, Err: &errOut,
		Getenv: func(string) string { return "" }, Commands: processes(),
	})
	return out.String(), code == 0
}

// arguments counts those that the usage line needs, and those that it takes.
func arguments(help string) (required, most int) {
	_, after, _ := strings.Cut(help, "Usage:\n")
	line, _, _ := strings.Cut(after, "\n")
	for _, word := range strings.Fields(line) {
		switch {
		case word == "[flags]" || word == "[command]":
		case strings.HasPrefix(word, "<"):
			required, most = required+1, most+1
		case strings.HasPrefix(word, "["):
			most++
		}
		if strings.HasSuffix(word, "...") {
			most = 100
		}
	}
	return required, most
}

// productTexts returns the string literals of all code that is not a test, by place. The demo's are a story, not advice.
func productTexts(t *testing.T) map[string]string {
	t.Helper()
	root := moduleRoot(t)
	texts := map[string]string{}
	require.NoError(t, filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && (d.Name() == "testdata" || d.Name() == "fairlead-demo" || d.Name() == "build" && filepath.Dir(path) == root || strings.HasPrefix(d.Name(), ".") && path != root):
			return fs.SkipDir
		case !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go"):
			return nil
		}
		positions := token.NewFileSet()
		file, err := parser.ParseFile(positions, path, nil, 0)
		if err != nil {
			return err
		}
		ast.Inspect(file, func(n ast.Node) bool {
			if literal, ok := n.(*ast.BasicLit); ok && literal.Kind == token.STRING {
				text, err := strconv.Unquote(literal.Value)
				require.NoError(t, err)
				texts[positions.Position(literal.Pos()).String()] = text
			}
			return true
		})
		return nil
	}))
	return texts
}
