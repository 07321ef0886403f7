// Lists tar archives as Go's archive/tar reads them, which containerd and Docker unpack layers with.
//
//	go run list.go FOLDER
//
// prints a JSON object: for each file of FOLDER its entries, or null where the archive is rejected. Bytes of names
// are written as code points, so that names which are not UTF-8 survive.
package main

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
)

type entry struct {
	Flag string `json:"flag"`
	Name string `json:"name"`
	Link string `json:"link"`
	Mode int64  `json:"mode"`
	Size int64  `json:"size"`
	Hash string `json:"hash"`
}

func points(text string) string {
	runes := make([]rune, 0, len(text))
	for i := 0; i < len(text); i++ {
		runes = append(runes, rune(text[i]))
	}
	return string(runes)
}

func list(data []byte) ([]entry, error) {
	reader := tar.NewReader(bytes.NewReader(data))
	entries := []entry{}
	for {
		header, err := reader.Next()
		if err == io.EOF {
			return entries, nil
		}
		if err != nil {
			return nil, err
		}
		hash := sha256.New()
		if _, err := io.Copy(hash, reader); err != nil {
			return nil, err
		}
		if header.Typeflag == tar.TypeXGlobalHeader {
			continue
		}
		entries = append(entries, entry{
			Flag: string(rune(header.Typeflag)),
			Name: points(header.Name),
			Link: points(header.Linkname),
			Mode: header.Mode & 0o7777,
			Size: header.Size,
			Hash: hex.EncodeToString(hash.Sum(nil)),
		})
	}
}

func main() {
	listing := map[string][]entry{}
	files, err := os.ReadDir(os.Args[1])
	if err != nil {
		panic(err)
	}
	for _, file := range files {
		data, err := os.ReadFile(filepath.Join(os.Args[1], file.Name()))
		if err != nil {
			panic(err)
		}
		entries, err := list(data)
		if err != nil {
			entries = nil
		}
		listing[file.Name()] = entries
	}
	encoder := json.NewEncoder(os.Stdout)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(listing); err != nil {
		panic(err)
	}
}
