package house_test

import (
	"fmt"
	"os"
	"path"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/halobestie/bestie-gateway/cmd/bestie/config"
)

// A link within the repository leads to a file, and its fragment to a heading.
func TestDocLinks(t *testing.T) {
	t.Parallel()
	link := regexp.MustCompile(`\]\(([^)\s]+)\)`)
	for name, text := range files(t, ".md") {
		for _, match := range link.FindAllStringSubmatch(withoutCode(text), -1) {
			if strings.Contains(match[1], "://") || strings.HasPrefix(match[1], "mailto:") {
				continue
			}
			file, fragment, _ := strings.Cut(match[1], "#")
			target := name
			if file != "" {
				target = path.Join(path.Dir(name), file)
			}
			if _, err := os.Stat(target); err != nil {
				t.Errorf("%s: broken link %s", name, match[1])
				continue
			}
			if fragment != "" && !headings(t, target)[fragment] {
				t.Errorf("%s: %s has no heading #%s", name, target, fragment)
			}
		}
	}
}

// headings are a page's anchors, as code hosts make them.
func headings(t *testing.T, file string) map[string]bool {
	t.Helper()
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	odd := regexp.MustCompile(`[^\p{L}\p{N} _-]`)
	all := map[string]bool{}
	for line := range strings.Lines(withoutCode(string(text))) {
		if title, is := strings.CutPrefix(strings.TrimLeft(line, "#"), " "); is && strings.HasPrefix(line, "#") {
			all[strings.ReplaceAll(odd.ReplaceAllString(strings.ToLower(strings.TrimSpace(title)), ""), " ", "-")] = true
		}
	}
	return all
}

func withoutCode(text string) string {
	return regexp.MustCompile("(?s)```.*?```").ReplaceAllString(text, "")
}

// What the pages tell to type exists: targets of the Makefile, packages, sub-commands' folders.
func TestDocCommands(t *testing.T) {
	t.Parallel()
	makefile, err := os.ReadFile("Makefile")
	require.NoError(t, err)
	target := regexp.MustCompile("(?m)(?:^|`)make ([a-z-]+)")
	gocmd := regexp.MustCompile(`\bgo (?:run|test|build|vet)\b[^\n` + "`" + `]*? \./([\w/]+)`)
	for name, text := range files(t, ".md") {
		for _, match := range target.FindAllStringSubmatch(text, -1) {
			if !strings.Contains(string(makefile), "\n"+match[1]+":") {
				t.Errorf("%s: make %s: no such target", name, match[1])
			}
		}
		for _, match := range gocmd.FindAllStringSubmatch(text, -1) {
			if _, err := os.Stat(match[1]); err != nil {
				t.Errorf("%s: %s: no such package", name, match[0])
			}
		}
	}
}

// The README's table of settings is the program's own.
func TestDocSettings(t *testing.T) {
	t.Parallel()
	readme, err := os.ReadFile("README.md")
	require.NoError(t, err)
	var table strings.Builder
	for _, s := range config.Settings[config.All]() {
		fmt.Fprintln(&table, settingRow(s))
	}
	if !strings.Contains(string(readme), table.String()) {
		t.Errorf("the table of settings in README.md is not the program's; it should be:\n%s", &table)
	}
}

func settingRow(s config.Setting) string {
	value := "–"
	switch {
	case s.Required:
		value = "required"
	case s.Default != "":
		value = "`" + s.Default + "`"
	}
	return fmt.Sprintf("| `%s` | %s | %s |", s.Name, value, strings.ReplaceAll(s.Doc, "|", "\\|"))
}
