package admin

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"io/fs"
	"net/http"
	"path"
	"strings"
)

// The dashboard: a page that shows what /v1/events tells and orders what the
// API takes. It has no way of its own to anything.

//go:embed page
var pageFiles embed.FS

// pagePolicy lets the page load what is embedded here, talk to where it came
// from, and nothing else; nothing may frame it, and no text becomes markup.
const pagePolicy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " +
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"

// pageFile is one of its files.
type pageFile struct {
	text      []byte
	kind, tag string // content type and ETag
}

// thePage is its files, by the path that asks for each.
var thePage = readPage()

func readPage() map[string]pageFile {
	files := make(map[string]pageFile)
	_ = fs.WalkDir(pageFiles, "page", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := pageFiles.ReadFile(name)
		sum := sha256.Sum256(text)
		at := "/" + name
		if path.Base(name) == "index.html" {
			at = "/"
		}
		files[at] = pageFile{text, kindOf(name), `"` + hex.EncodeToString(sum[:8]) + `"`}
		return err
	})
	return files
}

// kindOf asks no file of the system: its answers would differ from machine to
// machine.
func kindOf(name string) string {
	switch path.Ext(name) {
	case ".js":
		return "text/javascript; charset=utf-8"
	case ".css":
		return "text/css; charset=utf-8"
	case ".svg":
		return "image/svg+xml"
	case ".html":
		return "text/html; charset=utf-8"
	}
	return "application/octet-stream"
}

// page answers with a file of the dashboard.
func (s *Server) page(f pageFile, w http.ResponseWriter, q *http.Request) error {
	if err := s.allow(q.Context().Value(whenceKey{}).(*door), nothing, q); err != nil {
		return err
	}
	h := w.Header()
	h.Set("Content-Type", f.kind)
	h.Set("Content-Security-Policy", pagePolicy)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Cache-Control", "no-cache") // it may be kept, but is asked for whether it is still the same
	h.Set("ETag", f.tag)
	if strings.Contains(q.Header.Get("If-None-Match"), f.tag) {
		w.WriteHeader(http.StatusNotModified)
		return nil
	}
	_, _ = w.Write(f.text)
	return nil
}
