package graphtest

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"
)

// A reply is a scripted answer.
type reply struct {
	status int
	header http.Header
	body   string
}

// Script reads hand-written replies from a txtar file. Each part is named by
// the request that it answers and holds a status line, headers, an empty line
// and the body:
//
//	-- GET /v1.0/users/delta?$select=id --
//	HTTP/1.1 200 OK
//
//	{"value": []}
//
// {{host}} in a body stands for the address that was called. A request that
// stands several times is answered in that order, the last one for ever.
func (g *Graph) Script(tb testing.TB, path string) {
	tb.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		tb.Fatal(err)
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, part := range txtar.Parse(data).Files {
		r, err := http.ReadResponse(bufio.NewReader(bytes.NewReader(part.Data)), nil)
		if err != nil {
			tb.Fatalf("%s: %s: %v", path, part.Name, err)
		}
		body, err := io.ReadAll(r.Body)
		r.Body.Close()
		if err != nil {
			tb.Fatalf("%s: %s: %v", path, part.Name, err)
		}
		g.scripted[part.Name] = append(g.scripted[part.Name], &reply{r.StatusCode, r.Header, string(body)})
	}
}

// replay answers a request that the script has.
func (g *Graph) replay(w http.ResponseWriter, r *http.Request, line string) bool {
	replies := g.scripted[line]
	if len(replies) == 0 {
		return false
	}
	if len(replies) > 1 {
		g.scripted[line] = replies[1:]
	}
	rep := replies[0]
	for name := range rep.header {
		w.Header().Set(name, rep.header.Get(name))
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(rep.status)
	fmt.Fprint(w, strings.ReplaceAll(rep.body, "{{host}}", (&url.URL{Scheme: "http", Host: r.Host}).String()))
	return true
}
