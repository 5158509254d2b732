package house_test

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"go/types"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// A scenario of a test, or a table of them, may run longer than a function: it is read from top to bottom.
const (
	maxFileLines     = 400
	maxFunctionLines = 80
	maxScenarioLines = 160
)

// longFiles may be longer than maxFileLines, longFunctions (as "file Name" or "file Type.Name") than maxFunctionLines: each
// with the reason why it reads better whole.
var (
	longFiles     = map[string]string{}
	longFunctions = map[string]string{}
)

// files gives the repository's files with their text, by slash-separated path: what Git would have, but for folders that
// start with a dot (.ci counts), fetched ones and binaries.
func files(t *testing.T, suffixes ...string) map[string]string {
	t.Helper()
	all := map[string]string{}
	require.NoError(t, filepath.WalkDir(".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() {
			if strings.HasPrefix(name, ".") && name != "." && name != ".ci" || entry.Name() == "node_modules" {
				return fs.SkipDir
			}
			return nil
		}
		if !entry.Type().IsRegular() || len(suffixes) > 0 && !slices.Contains(suffixes, path.Ext(name)) {
			return nil
		}
		text, err := os.ReadFile(name)
		if err == nil && !bytes.ContainsRune(text, 0) {
			all[filepath.ToSlash(name)] = string(text)
		}
		return err
	}))
	require.NotEmpty(t, all)
	return all
}

// parsed gives the syntax of every Go file that a person wrote.
func parsed(t *testing.T) (*token.FileSet, map[string]*ast.File) {
	t.Helper()
	set, all := token.NewFileSet(), map[string]*ast.File{}
	for name, text := range files(t, ".go") {
		file, err := parser.ParseFile(set, name, text, parser.ParseComments)
		require.NoError(t, err)
		if !ast.IsGenerated(file) {
			all[name] = file
		}
	}
	return set, all
}

func TestFileLengths(t *testing.T) {
	t.Parallel()
	set, all := parsed(t)
	for name, file := range all {
		lines := set.File(file.Pos()).LineCount()
		if _, reasoned := longFiles[name]; lines > maxFileLines && !reasoned {
			t.Errorf("%s has %d lines, more than %d", name, lines, maxFileLines)
		} else if lines <= maxFileLines && reasoned {
			t.Errorf("%s is in longFiles and has only %d lines", name, lines)
		}
	}
}

func TestFunctionLengths(t *testing.T) {
	t.Parallel()
	set, all := parsed(t)
	for name, file := range all {
		limit := maxFunctionLines
		if strings.HasSuffix(name, "_test.go") {
			limit = maxScenarioLines
		}
		for _, decl := range file.Decls {
			f, is := decl.(*ast.FuncDecl)
			if !is {
				continue
			}
			lines := set.Position(f.End()).Line - set.Position(f.Pos()).Line + 1
			id := name + " " + functionName(f)
			if _, reasoned := longFunctions[id]; lines > limit && !reasoned {
				t.Errorf("%s has %d lines, more than %d", id, lines, limit)
			} else if lines <= limit && reasoned {
				t.Errorf("%s is in longFunctions and has only %d lines", id, lines)
			}
		}
	}
}

func functionName(f *ast.FuncDecl) string {
	if f.Recv == nil {
		return f.Name.Name
	}
	receiver := f.Recv.List[0].Type
	if star, is := receiver.(*ast.StarExpr); is {
		receiver = star.X
	}
	if generic, is := receiver.(*ast.IndexExpr); is {
		receiver = generic.X
	}
	return fmt.Sprintf("%s.%s", receiver, f.Name.Name)
}

// A package is named by what it provides; a name of the standard library would have to be renamed at every import.
func TestPackageNames(t *testing.T) {
	t.Parallel()
	banned := []string{"util", "utils", "common", "helper", "helpers", "base", "impl", "manager", "misc", "shared", "lib"}
	standard, err := exec.Command("go", "list", "std").Output()
	require.NoError(t, err)
	for name := range strings.FieldsSeq(string(standard)) {
		if !strings.Contains(name, "internal/") && !strings.HasPrefix(name, "vendor/") {
			banned = append(banned, path.Base(name))
		}
	}
	for _, p := range packages(t, "linux") {
		if p.Name != "main" && slices.Contains(banned, p.Name) {
			t.Errorf("%s: package %s says nothing, or shadows the standard library's", p.ImportPath, p.Name)
		}
		if p.Name != "main" && p.Name != path.Base(p.ImportPath) {
			t.Errorf("%s holds package %s", p.ImportPath, p.Name)
		}
	}
}

func TestPackageComments(t *testing.T) {
	t.Parallel()
	for _, p := range packages(t, "linux") {
		if p.Doc == "" {
			t.Errorf("%s has no package comment", p.ImportPath)
		}
	}
}

// A template calls methods by name; so the linker would keep every method of every package, 12 MB of them.
func TestNoTemplates(t *testing.T) {
	t.Parallel()
	for _, p := range packages(t, "linux") {
		for _, template := range []string{"text/template", "html/template"} {
			if slices.Contains(p.Imports, template) {
				t.Errorf("%s imports %s: fmt and os.Expand keep the program small", p.short(), template)
			}
		}
	}
}

// Tests wait for what happens, not for time to pass, and never pass by not running.
func TestTestsNeitherSleepNorSkip(t *testing.T) {
	t.Parallel()
	set, all := parsed(t)
	for name, file := range all {
		if !strings.HasSuffix(name, "_test.go") {
			continue
		}
		bubbles := imports(file, "testing/synctest") // in a bubble a sleep is a statement about time and takes none
		calls(file, func(call *ast.CallExpr, receiver, method string, ofRapid bool) {
			switch {
			case receiver == "time" && method == "Sleep" && !bubbles:
				t.Errorf("%s: time.Sleep in a test: wait for a signal, or use testing/synctest", set.Position(call.Pos()))
			case slices.Contains([]string{"t", "b", "f", "tb"}, receiver) && strings.HasPrefix(method, "Skip") && !ofRapid:
				t.Errorf("%s: a skipped test: what it needs is fetched, or it is no test", set.Position(call.Pos()))
			}
		})
	}
}

// calls visits every call of the form receiver.method(…). ofRapid says that a function around it has the receiver as its
// *rapid.T: there Skip says that an action does not apply to the state.
func calls(file *ast.File, visit func(call *ast.CallExpr, receiver, method string, ofRapid bool)) {
	var around []ast.Node
	ast.Inspect(file, func(node ast.Node) bool {
		if node == nil {
			around = around[:len(around)-1]
			return true
		}
		around = append(around, node)
		call, is := node.(*ast.CallExpr)
		if !is {
			return true
		}
		if selector, is := call.Fun.(*ast.SelectorExpr); is {
			if receiver, is := selector.X.(*ast.Ident); is {
				visit(call, receiver.Name, selector.Sel.Name, rapidParameter(around, receiver.Name))
			}
		}
		return true
	})
}

// rapidParameter looks from the inside out for the function that has a parameter of that name.
func rapidParameter(around []ast.Node, name string) bool {
	for _, node := range slices.Backward(around) {
		literal, is := node.(*ast.FuncLit)
		if !is {
			continue
		}
		for _, field := range literal.Type.Params.List {
			if slices.ContainsFunc(field.Names, func(n *ast.Ident) bool { return n.Name == name }) {
				return types.ExprString(field.Type) == "*rapid.T"
			}
		}
	}
	return false
}

func imports(file *ast.File, path string) bool {
	return slices.ContainsFunc(file.Imports, func(i *ast.ImportSpec) bool { return i.Path.Value == strconv.Quote(path) })
}

// Registries are each machine's own settings; whoever hides a race from the detector has one.
func TestForbiddenWords(t *testing.T) {
	t.Parallel()
	words := []string{"//go:" + "norace"}
	for host, domains := range map[string][]string{
		"proxy.golang": {"org"}, "sum.golang": {"org"}, "npmjs": {"org", "com"}, "deb.debian": {"org"}, "archive.ubuntu": {"com"},
		"pypi": {"org"}, "pythonhosted": {"org"}, "docker": {"io"}, "ghcr": {"io"}, "quay": {"io"}, "gcr": {"io"}, "crates": {"io"},
		"rubygems": {"org"}, "unpkg": {"com"}, "jsdelivr": {"net"}, "maven": {"org"}, "goproxy": {"io", "cn"},
	} {
		for _, domain := range domains {
			words = append(words, host+"."+domain)
		}
	}
	for name, text := range files(t) {
		for _, word := range words {
			if i := strings.Index(text, word); i >= 0 {
				t.Errorf("%s:%d: %s", name, 1+strings.Count(text[:i], "\n"), word)
			}
		}
	}
}
