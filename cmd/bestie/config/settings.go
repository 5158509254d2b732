package config

import (
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strings"
)

// Setting is one row of the table of settings, for help.
type Setting struct {
	Name     string
	Default  string
	Doc      string
	Required bool
}

// Settings lists the settings of T, a struct made of this package's groups, in their order.
func Settings[T any]() (all []Setting) {
	var zero T
	walk(reflect.ValueOf(&zero).Elem(), func(field reflect.StructField, _ reflect.Value) {
		all = append(all, Setting{
			Name: field.Tag.Get("env"), Default: field.Tag.Get("envDefault"), Doc: field.Tag.Get("doc"),
			Required: field.Tag.Get("required") != "",
		})
	}, func(checker) {})
	return all
}

func defaultOf(name string) string {
	for _, s := range Settings[All]() {
		if s.Name == name {
			return s.Default
		}
	}
	return ""
}

// prefixes are how our settings begin, also those of builds to come: a variable that begins so and is no setting is a slip
// of the pen or belongs to another version, and whoever set it should know that nothing reads it.
var prefixes = []string{
	"WS_", "AUTH_", "ACCESS_TOKEN_", "REFRESH_TOKEN_", "DATABASE_", "VALKEY_", "PRESENCE_", "MITRA_", "HEARTBEAT_",
	"DRAIN_", "REST_", "OTP_", "PAYMENT_", "PUSH_", "FAZPASS_", "XENDIT_", "FCM_", "APPLE_", "GOOGLE_OAUTH_", "ADMIN_",
	"CC_ORIGIN", "CC_PLAIN_", "CC_SESSION_", "CC_IDLE_", "ALLOW_DEV_", "ENABLE_TEST_", "PUBLIC_ADDR", "INTERNAL_ADDR", "TRUSTED_", "LOG_LEVEL", "LOG_FORMAT",
}

// serviceLink is what Kubernetes puts into the environment for each service of the namespace: with a service named
// "valkey" VALKEY_PORT and VALKEY_SERVICE_HOST, which nobody meant as settings.
var serviceLink = regexp.MustCompile(`_(SERVICE_(HOST|PORT)(_.*)?|PORT(_\d+_.*)?)$`)

// Unknown names the variables that look like settings of ours and are none, each with the nearest that is.
func Unknown(environ []string) Mistakes {
	var (
		mistakes Mistakes
		known    []string
	)
	for _, s := range Settings[All]() {
		known = append(known, s.Name)
	}
	for name := range present(environ) {
		ours := slices.ContainsFunc(prefixes, func(p string) bool { return strings.HasPrefix(name, p) })
		if !ours || slices.Contains(known, name) || serviceLink.MatchString(name) {
			continue
		}
		line := name + " is not a setting of this version"
		if near := nearest(name, known); near != "" {
			line += fmt.Sprintf(" (did you mean %s?)", near)
		}
		mistakes = append(mistakes, line)
	}
	slices.Sort(mistakes)
	return mistakes
}

// nearest is the known name that takes the fewest edits to reach, or "" if that is more than a third of the name. A name that
// was cut short is near to all that begin with it.
func nearest(name string, known []string) string {
	best, fewest := "", len(name)/3+1
	for _, k := range known {
		d := distance(name, k)
		if strings.HasPrefix(k, name) {
			d = min(d, len(name)/3)
		}
		if d < fewest {
			best, fewest = k, d
		}
	}
	return best
}

// distance is Levenshtein's: how many characters must be added, dropped or changed.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost = 1 + min(diagonal, row[j], row[j+1])
			}
			diagonal, row[j+1] = row[j+1], cost
		}
	}
	return row[len(b)]
}
