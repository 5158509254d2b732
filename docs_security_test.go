package house_test

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// What docs/security.md calls shown is shown by a test of that name.
func TestSecurityPage(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("docs/security.md")
	require.NoError(t, err)
	var tests strings.Builder
	for name, text := range files(t, ".go") {
		if strings.HasSuffix(name, "_test.go") {
			tests.WriteString(text)
		}
	}
	for _, match := range regexp.MustCompile("`(Test\\w+)`").FindAllStringSubmatch(string(page), -1) {
		if !strings.Contains(tests.String(), "\nfunc "+match[1]+"(t *testing.T) {") {
			t.Errorf("docs/security.md: there is no test %s", match[1])
		}
	}
}
