package main

import (
	"context"
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/halobestie/bestie-gateway/protocol"
)

func specCommand() *command {
	return &command{
		name:    "spec",
		args:    "asyncapi|openapi",
		summary: "print the description of the socket protocol, or of the REST routes",
		about: `
Prints the AsyncAPI 3.0 description of every message on the socket (what protocol/asyncapi.yaml holds), or the OpenAPI 3.1
description of every REST route (what /internal/openapi.json serves), for the version of this binary. Both are generated from
the same tables as the code.`,
		example: "bestie spec asyncapi > asyncapi.yaml\nbestie spec openapi > openapi.json",
		flags:   newFlags("spec"),
		run: func(_ context.Context, sh *shell, args []string) error {
			var text []byte
			var err error
			switch {
			case len(args) == 1 && args[0] == "asyncapi":
				text = protocol.AsyncAPI()
			case len(args) == 1 && args[0] == "openapi":
				text, err = description().Text()
			default:
				return usagef("spec of what? There are: bestie spec asyncapi, bestie spec openapi")
			}
			if err == nil {
				_, err = sh.out.Write(text)
			}
			return err
		},
	}
}

func versionCommand() *command {
	return &command{
		name:    "version",
		summary: "print the version, the commit and the Go that built it",
		about:   "Prints one line: the version of the module, the commit it was built from when that is known, and the Go version.",
		example: "bestie version",
		flags:   newFlags("version"),
		run: func(_ context.Context, sh *shell, _ []string) error {
			fmt.Fprintf(sh.out, "bestie %s, %s, %s/%s\n", buildVersion(), runtime.Version(), runtime.GOOS, runtime.GOARCH)
			return nil
		},
	}
}

// buildVersion is the module's version, or the commit for a build from a working copy.
func buildVersion() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	revision, modified := "", ""
	for _, s := range info.Settings {
		switch {
		case s.Key == "vcs.revision":
			revision = s.Value[:min(12, len(s.Value))]
		case s.Key == "vcs.modified" && s.Value == "true":
			modified = "+changes"
		}
	}
	if revision != "" {
		return revision + modified
	}
	return info.Main.Version
}
