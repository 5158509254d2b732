package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/halobestie/bestie-gateway/cmd/bestie/config"
)

// command is one sub-command. Its flags are variables that run closes over.
type command struct {
	name     string
	args     string // what stands behind the flags, such as <format>; empty: nothing may
	summary  string // one line, for the list
	about    string // what it does, for its own help
	settings []config.Setting
	example  string
	flags    *flag.FlagSet
	run      func(ctx context.Context, sh *shell, args []string) error
}

// commands are all there are, in the order in which somebody new meets them.
func commands() []*command {
	return []*command{
		devCommand(), simCommand(), tokenCommand(),
		serveCommand(), migrateCommand(), seedCommand(), checkCommand(),
		specCommand(), versionCommand(),
	}
}

// usageError is a command line that makes no sense; its text says what would.
type usageError struct{ text string }

func (e *usageError) Error() string { return e.text }

func usagef(format string, args ...any) error { return &usageError{fmt.Sprintf(format, args...)} }

// perform finds the command and runs it. Asking for help is no error and goes to out.
func perform(ctx context.Context, args []string, sh *shell) error {
	all := commands()
	if len(args) == 0 {
		printOverview(sh.err, all)
		return usagef("which command? See above")
	}
	name, rest := args[0], args[1:]
	switch name {
	case "help", "-h", "-help", "--help":
		if len(rest) == 0 {
			printOverview(sh.out, all)
			return nil
		}
		cmd, err := find(all, rest[0])
		if err != nil {
			return err
		}
		printHelp(sh.out, cmd)
		return nil
	}
	cmd, err := find(all, name)
	if err != nil {
		return err
	}
	left, err := parse(cmd, rest)
	if errors.Is(err, flag.ErrHelp) {
		printHelp(sh.out, cmd)
		return nil
	}
	if err != nil {
		return err
	}
	return cmd.run(ctx, sh, left)
}

func find(all []*command, name string) (*command, error) {
	var names []string
	for _, cmd := range all {
		if cmd.name == name {
			return cmd, nil
		}
		names = append(names, cmd.name)
	}
	return nil, usagef("there is no command %q; there are: %s, help", name, strings.Join(names, ", "))
}

// parse reads the flags and gives what stands behind them.
func parse(cmd *command, args []string) ([]string, error) {
	cmd.flags.SetOutput(io.Discard)
	cmd.flags.Usage = func() {}
	if err := cmd.flags.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return nil, err
		}
		return nil, usagef("%s: %v; %s", cmd.name, err, knownFlags(cmd))
	}
	if left := cmd.flags.Args(); cmd.args == "" && len(left) > 0 {
		return nil, usagef("%s takes no argument %q; %s", cmd.name, left[0], knownFlags(cmd))
	}
	return cmd.flags.Args(), nil
}

func knownFlags(cmd *command) string {
	var names []string
	cmd.flags.VisitAll(func(f *flag.Flag) { names = append(names, "--"+f.Name) })
	if len(names) == 0 {
		return "it has no flags (see: bestie help " + cmd.name + ")"
	}
	slices.Sort(names)
	return "its flags are " + strings.Join(names, ", ") + " (see: bestie help " + cmd.name + ")"
}

func newFlags(name string) *flag.FlagSet { return flag.NewFlagSet(name, flag.ContinueOnError) }

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
	fmt.Fprintf(w, "bestie %s: %s\n\n%s\n\nUsage: %s\n", cmd.name, cmd.summary, wrap(cmd.about), usage)
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

// wrap fits a text into a terminal of the usual width.
func wrap(text string) string {
	const width = 80
	var b strings.Builder
	column := 0
	for word := range strings.FieldsSeq(text) {
		switch {
		case column == 0:
		case column+1+len(word) > width:
			b.WriteByte('\n')
			column = 0
		default:
			b.WriteByte(' ')
			column++
		}
		b.WriteString(word)
		column += len(word)
	}
	return b.String()
}
