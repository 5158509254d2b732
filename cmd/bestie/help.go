package main

import (
	"flag"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
)

func printOverview(w io.Writer, all []*command) {
	fmt.Fprint(w, "bestie is the realtime gateway of Halo Bestie.\n\nUsage: bestie <command> [flags]\n\nCommands:\n")
	table := tabwriter.NewWriter(w, 0, 0, 3, ' ', 0)
	for _, cmd := range all {
		fmt.Fprintf(table, "  %s\t%s\n", cmd.name, cmd.summary)
	}
	fmt.Fprintf(table, "  %s\t%s\n", "help", "this list, or one command: bestie help <command>")
	table.Flush()
	fmt.Fprint(w, "\nSettings come from environment variables; each command's help lists those that it reads.\n",
		"Exit codes: 0 done, 1 failed, 2 asked wrongly (command line or settings).\n\n",
		"New here? Start with: bestie dev\n")
}

func printHelp(w io.Writer, cmd *command) {
	usage := "bestie " + cmd.name
	hasFlags := false
	cmd.flags.VisitAll(func(*flag.Flag) { hasFlags = true })
	if hasFlags {
		usage += " [flags]"
	}
	if cmd.args != "" {
		usage += " " + cmd.args
	}
	fmt.Fprintf(w, "bestie %s: %s\n\n%s\n\nUsage: %s\n", cmd.name, cmd.summary, strings.TrimSpace(cmd.about), usage)
	table := tabwriter.NewWriter(w, 0, 0, 3, ' ', 0)
	if hasFlags {
		fmt.Fprint(table, "\nFlags:\n")
		cmd.flags.VisitAll(func(f *flag.Flag) {
			kind, usage := flag.UnquoteUsage(f)
			fmt.Fprintf(table, "  --%s %s\t%s%s\n", f.Name, kind, usage, inBrackets(f.DefValue))
		})
	}
	if len(cmd.settings) > 0 {
		fmt.Fprint(table, "\nSettings:\n")
		for _, s := range cmd.settings {
			note := inBrackets(s.Default)
			if s.Required {
				note = " (required)"
			}
			fmt.Fprintf(table, "  %s\t%s%s\n", s.Name, s.Doc, note)
		}
	}
	table.Flush()
	fmt.Fprintf(w, "\nExample:\n  %s\n", strings.ReplaceAll(strings.TrimSpace(cmd.example), "\n", "\n  "))
}

func inBrackets(value string) string {
	if value == "" || value == "[]" || value == "false" {
		return ""
	}
	return " (" + value + ")"
}
