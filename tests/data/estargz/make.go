// Makes eStargz layers with the library of those who define the format.
//
//	go run . FOLDER
//
// makes of FOLDER/layer.tar two blobs, `pieces` (content in pieces of 4 KiB) and `joined` (several files compressed
// together), and prints the digests of their tables of contents and their diff ids as JSON.
package main

import (
	"bytes"
	"encoding/json"
	"io"
	"os"
	"path/filepath"

	"github.com/containerd/stargz-snapshotter/estargz"
)

type made struct {
	TOC    string `json:"toc"`
	DiffID string `json:"diff_id"`
}

func build(data []byte, path string, options ...estargz.Option) made {
	blob, err := estargz.Build(io.NewSectionReader(bytes.NewReader(data), 0, int64(len(data))), options...)
	if err != nil {
		panic(err)
	}
	defer blob.Close()
	packed, err := io.ReadAll(blob)
	if err != nil {
		panic(err)
	}
	if err := os.WriteFile(path, packed, 0o644); err != nil {
		panic(err)
	}
	return made{TOC: blob.TOCDigest().String(), DiffID: blob.DiffID().String()}
}

func main() {
	folder := os.Args[1]
	data, err := os.ReadFile(filepath.Join(folder, "layer.tar"))
	if err != nil {
		panic(err)
	}
	found := map[string]made{
		"pieces": build(data, filepath.Join(folder, "pieces"), estargz.WithChunkSize(4096)),
		"joined": build(data, filepath.Join(folder, "joined"), estargz.WithMinChunkSize(1<<16)),
	}
	if err := json.NewEncoder(os.Stdout).Encode(found); err != nil {
		panic(err)
	}
}
