package cli

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
)

// A serving is lockstep as a process of its own.
type serving struct {
	cmd *exec.Cmd
	url string // of SCIM
}

// program returns a path under which the test binary is lockstep.
func program(t *testing.T) string {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "lockstep")
	if err := os.Symlink(self, path); err != nil {
		t.Fatal(err)
	}
	return path
}

func startServe(t *testing.T, program, data string) *serving {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), program, "serve", "--data", data, "--listen", "127.0.0.1:0")
	cmd.Stderr = t.Output()
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatalf("the server said %q: %v", line, err)
	}
	fields := strings.Fields(line)
	return &serving{cmd, fields[len(fields)-1]}
}

func (p *serving) send(token, method, path, body string) (status int, answer map[string]any, err error) {
	req, err := http.NewRequest(method, p.url+path, strings.NewReader(body))
	if err != nil {
		return 0, nil, err
	}
	req.Header.Set("Authorization", "Bearer "+token)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, nil, err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil || len(b) == 0 {
		return resp.StatusCode, nil, err
	}
	return resp.StatusCode, answer, json.Unmarshal(b, &answer)
}

// TestServeKilled kills the server under load. After a restart everything is
// there that it had acknowledged, and what it had not is there whole or not at
// all: found by id, by name and in lists alike.
func TestServeKilled(t *testing.T) {
	if testing.Short() {
		t.Skip("starts processes")
	}
	if runtime.GOOS == "windows" {
		t.Skip("needs symbolic links")
	}
	t.Parallel()
	lockstep, data := program(t), filepath.Join(t.TempDir(), "d") // short, for the socket
	p := startServe(t, lockstep, data)
	out, err := exec.CommandContext(t.Context(), lockstep, "account", "add", "embedded", "lab", "--data", data, "--json").Output()
	if err != nil {
		t.Fatal(err)
	}
	var added struct{ SecretToken string }
	if err := json.Unmarshal(out, &added); err != nil {
		t.Fatal(err)
	}
	token := added.SecretToken

	const (
		workers = 12
		enough  = 1500 // acknowledged writes, then it is killed
	)
	type user struct {
		id, title string
		member    bool
	}
	var (
		mu    sync.Mutex
		acked int
		users = map[string]*user{} // by userName
		wg    sync.WaitGroup
	)
	ack := func(change func()) {
		mu.Lock()
		defer mu.Unlock()
		change()
		if acked++; acked == enough {
			_ = p.cmd.Process.Kill()
		}
	}
	patch := func(op string) string {
		return `{"schemas":["urn:ietf:params:scim:api:messages:2.0:PatchOp"],"Operations":[` + op + `]}`
	}
	groups := make([]string, workers)
	for w := range workers {
		_, g, err := p.send(token, "POST", "/Groups", fmt.Sprintf(`{"schemas":["urn:ietf:params:scim:schemas:core:2.0:Group"],"displayName":"G%d"}`, w))
		if err != nil {
			t.Fatal(err)
		}
		groups[w], _ = g["id"].(string)
	}
	for w := range workers {
		wg.Go(func() {
			for n := 0; ; n++ {
				name := fmt.Sprintf("u%d-%d@example.com", w, n)
				status, r, err := p.send(token, "POST", "/Users", fmt.Sprintf(`{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"userName":%q,"title":"0","emails":[{"value":%q}]}`, name, name))
				if err != nil || status != 201 {
					return
				}
				u := &user{title: "0"}
				u.id, _ = r["id"].(string)
				ack(func() { users[name] = u })
				if status, _, err = p.send(token, "PATCH", "/Users/"+u.id, patch(`{"op":"Replace","path":"title","value":"1"}`)); err != nil || status != 200 {
					mu.Lock()
					u.title = "0 or 1"
					mu.Unlock()
					return
				}
				ack(func() { u.title = "1" })
				if status, _, err = p.send(token, "PATCH", "/Groups/"+groups[w], patch(`{"op":"Add","path":"members","value":[{"value":"`+u.id+`"}]}`)); err != nil || status != 204 {
					return
				}
				ack(func() { u.member = true })
			}
		})
	}
	wg.Wait()
	_ = p.cmd.Wait()
	if acked < enough {
		t.Fatalf("%d writes were acknowledged only", acked)
	}

	p = startServe(t, lockstep, data)
	memberships := map[string]bool{}
	for _, g := range groups {
		_, r, err := p.send(token, "GET", "/Groups/"+g, "")
		if err != nil {
			t.Fatal(err)
		}
		members, _ := r["members"].([]any)
		for _, m := range members {
			memberships[fmt.Sprint(m.(map[string]any)["value"])] = true
		}
	}
	for name, u := range users {
		status, r, err := p.send(token, "GET", "/Users/"+u.id, "")
		if err != nil || status != 200 || r["userName"] != name {
			t.Fatalf("the acknowledged user %s is lost: %d %v %v", name, status, r, err)
		}
		if title := fmt.Sprint(r["title"]); !strings.Contains(u.title, title) {
			t.Errorf("%s has the title %s, acknowledged was %s", name, title, u.title)
		}
		if u.member && !memberships[u.id] {
			t.Errorf("the acknowledged membership of %s is lost", name)
		}
	}
	// Whatever a list shows is whole, and the list is complete.
	listed := map[string]bool{}
	total := -1.0
	for next, first := "", true; first || next != ""; first = false {
		_, page, err := p.send(token, "GET", "/Users?count=500&cursor="+url.QueryEscape(next), "")
		if err != nil {
			t.Fatal(err)
		}
		total, _ = page["totalResults"].(float64)
		resources, _ := page["Resources"].([]any)
		for _, r := range resources {
			listed[fmt.Sprint(r.(map[string]any)["userName"])] = true
		}
		next, _ = page["nextCursor"].(string)
	}
	if int(total) != len(listed) || len(listed) < len(users) || len(listed) > len(users)+workers {
		t.Errorf("%d users are listed of %v, %d were acknowledged", len(listed), total, len(users))
	}
	for name := range listed {
		for _, attribute := range []string{"userName", "emails.value"} {
			_, found, err := p.send(token, "GET", "/Users?filter="+url.QueryEscape(attribute+` eq "`+strings.ToUpper(name)+`"`), "")
			if err != nil || found["totalResults"] != 1.0 {
				t.Fatalf("%s is listed, but not found by its %s: %v %v", name, attribute, found, err)
			}
		}
	}
	for id := range memberships {
		if status, _, err := p.send(token, "GET", "/Users/"+id, ""); err != nil || status != 200 {
			t.Errorf("a member %s is no user: %d %v", id, status, err)
		}
	}
}
