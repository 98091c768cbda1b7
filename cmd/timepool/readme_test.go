package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"testing"
)

// TestReadmeCommands holds the README and the operators' documents to the
// binary: every timepool command line in them must be one that it takes.
func TestReadmeCommands(t *testing.T) {
	bin := builtTimepool(t)
	subcommands := helpCommands(t, bin)
	documents, err := filepath.Glob("../../deploy/*.md")
	if err != nil {
		t.Fatal(err)
	}
	seen := 0
	for _, name := range append(documents, "../../README.md") {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, words := range timepoolLines(string(text)) {
			seen++
			checkLine(t, bin, subcommands, filepath.Base(name), words)
		}
	}
	if seen < 5 {
		t.Errorf("only %d timepool commands were found in the documents", seen)
	}
}

// TestReadmeTwoCommands holds the two commands a newcomer starts with: they
// stand alone on their lines, to be copied.
func TestReadmeTwoCommands(t *testing.T) {
	text, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	lines := fencedCommands(string(text))
	for _, want := range []string{"go run ./cmd/timepool demo", "go test ./..."} {
		if !slices.Contains(lines, want) {
			t.Errorf("README.md lacks the command %q", want)
		}
	}
}

// checkLine has the binary parse the command line without doing it: --help
// makes cobra stop after it has found the subcommand and parsed the flags.
func checkLine(t *testing.T, bin string, subcommands []string, where string, words []string) {
	t.Helper()
	line := "timepool " + strings.Join(words, " ")
	if len(words) > 0 && !strings.HasPrefix(words[0], "-") && !slices.Contains(subcommands, words[0]) {
		t.Errorf("%s: %s: there is no such subcommand", where, line)
		return
	}
	help, err := exec.Command(bin, append(slices.Clone(words), "--help")...).CombinedOutput()
	if err != nil {
		t.Errorf("%s: %s: %v\n%s", where, line, err, help)
		return
	}
	// Where subcommands exist, a bare word must be one of them.
	if below := commandList(string(help)); len(below) > 0 && len(words) > 1 && regexp.MustCompile(`^[a-z]+$`).MatchString(words[1]) {
		t.Errorf("%s: %s: %s has only %s", where, line, words[0], strings.Join(below, ", "))
	}
}

// timepoolLines returns the arguments of every timepool command in the fenced
// blocks, be it run as a binary or by `go run`.
func timepoolLines(markdown string) [][]string {
	var found [][]string
	for _, line := range fencedCommands(markdown) {
		line = strings.ReplaceAll(line, "go run ./cmd/timepool", "timepool")
		line, _, _ = strings.Cut(line, " #")
		for _, part := range regexp.MustCompile(`\||&&|;`).Split(line, -1) {
			part, _, _ = strings.Cut(part, " >")
			words := strings.Fields(strings.TrimSuffix(strings.TrimSpace(part), "&"))
			words = slices.DeleteFunc(words, func(w string) bool { return w == "sudo" || w == "exec" })
			if len(words) > 0 && filepath.Base(words[0]) == "timepool" {
				found = append(found, words[1:])
			}
		}
	}
	return found
}

// fencedCommands returns the command lines of ```sh blocks (every line that is
// no comment) and of ```console blocks (the lines after "$ "; the rest is
// output).
func fencedCommands(markdown string) []string {
	var commands []string
	fence := ""
	for line := range strings.Lines(markdown) {
		line = strings.TrimSpace(line)
		switch after, isFence := strings.CutPrefix(line, "```"); {
		case isFence && fence == "":
			fence = "```" + after
		case isFence:
			fence = ""
		case fence == "```sh" && line != "" && !strings.HasPrefix(line, "#"):
			commands = append(commands, line)
		case fence == "```console" && strings.HasPrefix(line, "$ "):
			commands = append(commands, strings.TrimPrefix(line, "$ "))
		}
	}
	return commands
}

// TestFencedCommands shows what counts as a command and what does not.
func TestFencedCommands(t *testing.T) {
	got := timepoolLines("timepool prose\n```sh\n# timepool comment\nsudo timepool check --config x # why\nfoo | timepool schema > f\n```\n" +
		"```console\n$ go run ./cmd/timepool demo --dns a &\ntimepool output\n$ ./timepool version && dig timepool\n```\n```yaml\ntimepool: x\n```\n")
	want := [][]string{{"check", "--config", "x"}, {"schema"}, {"demo", "--dns", "a"}, {"version"}}
	if !slices.EqualFunc(got, want, slices.Equal) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// helpCommands are the subcommands of the binary.
func helpCommands(t *testing.T, bin string) []string {
	t.Helper()
	help, err := exec.Command(bin, "--help").CombinedOutput()
	if err != nil {
		t.Fatalf("timepool --help: %v\n%s", err, help)
	}
	list := commandList(string(help))
	if len(list) == 0 {
		t.Fatalf("timepool --help lists no command:\n%s", help)
	}
	return list
}

// commandList reads the names under "Available Commands:" of a help text.
func commandList(help string) []string {
	_, list, _ := strings.Cut(help, "Available Commands:\n")
	list, _, _ = strings.Cut(list, "\n\n")
	var names []string
	for line := range strings.Lines(list) {
		if words := strings.Fields(line); len(words) > 0 {
			names = append(names, words[0])
		}
	}
	return names
}

// builtTimepool builds the command as people get it, with the race detector
// when this test has it, and returns its path.
func builtTimepool(t testing.TB) string {
	t.Helper()
	bin := filepath.Join(t.TempDir(), "timepool")
	if runtime.GOOS == "windows" {
		bin += ".exe"
	}
	args := []string{"build", "-o", bin}
	if b, ok := debug.ReadBuildInfo(); ok && slices.Contains(b.Settings, debug.BuildSetting{Key: "-race", Value: "true"}) {
		args = append(args, "-race")
	}
	if out, err := exec.CommandContext(t.Context(), "go", append(args, ".")...).CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	return bin
}
