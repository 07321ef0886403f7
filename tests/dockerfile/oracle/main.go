// What BuildKit's own parser and lexer make of Dockerfiles and words, as JSON: the golden files of these tests.
//
//	go run . parse < files.json        {"name": "text of a Dockerfile", ...}
//	go run . expand < words.json       [{"word": "...", "values": {...}, "escape": "\\"}, ...]
package main

import (
	"encoding/json"
	"os"
	"strings"

	"github.com/moby/buildkit/frontend/dockerfile/parser"
	"github.com/moby/buildkit/frontend/dockerfile/shell"
)

type heredoc struct {
	Name    string `json:"name"`
	Content string `json:"content"`
	Expand  bool   `json:"expand"`
	Chomp   bool   `json:"chomp"`
	FD      uint   `json:"descriptor"`
}

type instruction struct {
	Keyword   string       `json:"keyword"`
	Flags     []string     `json:"flags"`
	Arguments []string     `json:"arguments"`
	JSON      bool         `json:"is_json"`
	Line      int          `json:"line"`
	EndLine   int          `json:"end_line"`
	Heredocs  []heredoc    `json:"heredocs"`
	Comments  []string     `json:"comments"`
	Trigger   *instruction `json:"trigger,omitempty"`
}

type file struct {
	Error        string        `json:"error,omitempty"`
	Instructions []instruction `json:"instructions"`
}

func read(node *parser.Node) instruction {
	found := instruction{
		Keyword: strings.ToUpper(node.Value), Flags: append([]string{}, node.Flags...), Arguments: []string{},
		JSON: node.Attributes["json"], Line: node.StartLine, EndLine: node.EndLine,
		Heredocs: []heredoc{}, Comments: append([]string{}, node.PrevComment...),
	}
	for _, doc := range node.Heredocs {
		found.Heredocs = append(found.Heredocs, heredoc{doc.Name, doc.Content, doc.Expand, doc.Chomp, doc.FileDescriptor})
	}
	if found.Keyword == "ONBUILD" && node.Next != nil && len(node.Next.Children) > 0 {
		child := read(node.Next.Children[0])
		child.Line, child.EndLine = found.Line, found.EndLine
		found.Trigger = &child
		return found
	}
	isPair := found.Keyword == "ENV" || found.Keyword == "LABEL"
	count := 0
	for next := node.Next; next != nil; next = next.Next {
		count++
		if !isPair || count%3 != 0 {
			found.Arguments = append(found.Arguments, next.Value)
		}
	}
	return found
}

func parse(text string) file {
	result, err := parser.Parse(strings.NewReader(text))
	if err != nil {
		return file{Error: err.Error(), Instructions: []instruction{}}
	}
	found := file{Instructions: []instruction{}}
	for _, node := range result.AST.Children {
		found.Instructions = append(found.Instructions, read(node))
	}
	return found
}

type word struct {
	Word   string            `json:"word"`
	Values map[string]string `json:"values"`
	Escape string            `json:"escape"`
	Result string            `json:"result"`
	Error  bool              `json:"error"`
}

func (w *word) Get(name string) (string, bool) {
	value, ok := w.Values[name]
	return value, ok
}

func (w *word) Keys() []string { return nil }

func main() {
	input, output := json.NewDecoder(os.Stdin), json.NewEncoder(os.Stdout)
	output.SetIndent("", " ")
	output.SetEscapeHTML(false)
	if os.Args[1] == "parse" {
		files := map[string]string{}
		check(input.Decode(&files))
		found := map[string]file{}
		for name, text := range files {
			found[name] = parse(text)
		}
		check(output.Encode(found))
		return
	}
	words := []*word{}
	check(input.Decode(&words))
	for _, each := range words {
		result, _, err := shell.NewLex([]rune(each.Escape)[0]).ProcessWord(each.Word, each)
		each.Result, each.Error = result, err != nil
	}
	check(output.Encode(words))
}

func check(err error) {
	if err != nil {
		panic(err)
	}
}
