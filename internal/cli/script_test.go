package cli

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// TestMain lets the scripts run the program as a process of its own.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"lockstep": func() {
			ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
			defer stop()
			os.Exit(Main(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
		},
	})
}

// TestScripts runs testdata/script/*.txtar: the command line as people and
// scripts use it, over real HTTP between real processes.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Setup: func(env *testscript.Env) error {
			env.Setenv("LOCKSTEP_DATA", env.WorkDir+"/data")
			env.Values[processes{}] = map[string]*process{}
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"start":     startCommand,
			"await":     awaitCommand,
			"halt":      haltCommand,
			"json":      jsonCommand,
			"http":      httpCommand,
			"edit":      editCommand,
			"jsonenv":   jsonEnvCommand,
			"readtoken": readTokenCommand,
			"until":     untilCommand,
		},
		UpdateScripts: os.Getenv("UPDATE_SCRIPTS") != "",
	})
}

type processes struct{}

// A process is a server that a script started.
type process struct {
	cmd  *exec.Cmd
	done chan error
	mu   sync.Mutex
	log  strings.Builder
	more chan struct{} // closed when log grows
}

func (p *process) add(line string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.log.WriteString(line + "\n")
	close(p.more)
	p.more = make(chan struct{})
}

// startCommand is: start NAME REGEXP COMMAND ARGS...
// It starts a process and waits until its output has matched the expression
// (spaces written as \s), whose named groups become variables.
func startCommand(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 3 {
		ts.Fatalf("usage: start NAME REGEXP COMMAND ARGS...")
	}
	re := regexp.MustCompile(`(?s)` + args[1])
	path, err := exec.LookPath(args[2])
	ts.Check(err)
	p := &process{cmd: exec.Command(path, args[3:]...), done: make(chan error, 1), more: make(chan struct{})}
	p.cmd.Dir = ts.MkAbs(".")
	p.cmd.Env = append(os.Environ(), "LOCKSTEP_DATA="+ts.Getenv("LOCKSTEP_DATA"), "PATH="+ts.Getenv("PATH"), "HOME="+ts.MkAbs("."))
	r, w, err := os.Pipe()
	ts.Check(err)
	p.cmd.Stdout, p.cmd.Stderr = w, w
	ts.Check(p.cmd.Start())
	ts.Check(w.Close())
	ts.Value(processes{}).(map[string]*process)[args[0]] = p
	ts.Defer(func() {
		_ = p.cmd.Process.Kill()
		<-p.done
	})
	go func() {
		sc := bufio.NewScanner(r)
		for sc.Scan() {
			p.add(sc.Text())
		}
		p.done <- p.cmd.Wait()
		close(p.done)
	}()
	p.await(ts, args[0], re)
}

// awaitCommand is: await NAME REGEXP. It waits until everything a started
// process printed so far matches.
func awaitCommand(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: await NAME REGEXP")
	}
	p := ts.Value(processes{}).(map[string]*process)[args[0]]
	if p == nil {
		ts.Fatalf("no process %q was started", args[0])
	}
	p.await(ts, args[0], regexp.MustCompile(`(?s)`+args[1]))
}

func (p *process) await(ts *testscript.TestScript, name string, re *regexp.Regexp) {
	deadline := time.After(60 * time.Second)
	p.mu.Lock()
	defer p.mu.Unlock()
	for {
		log, more := p.log.String(), p.more
		if m := re.FindStringSubmatch(log); m != nil {
			for i, key := range re.SubexpNames() {
				if key != "" {
					ts.Setenv(key, m[i])
				}
			}
			return
		}
		p.mu.Unlock()
		select {
		case <-more:
			p.mu.Lock()
		case <-deadline:
			p.mu.Lock()
			ts.Fatalf("%s did not print what was waited for; it printed:\n%s", name, log)
		}
	}
}

// haltCommand is: halt NAME [kill]. It interrupts a started process and wants it to
// end well, or kills it.
func haltCommand(ts *testscript.TestScript, neg bool, args []string) {
	p := ts.Value(processes{}).(map[string]*process)[args[0]]
	if p == nil {
		ts.Fatalf("no process %q was started", args[0])
	}
	if len(args) > 1 && args[1] == "kill" {
		ts.Check(p.cmd.Process.Kill())
		<-p.done
		return
	}
	ts.Check(p.cmd.Process.Signal(os.Interrupt))
	err := <-p.done
	p.mu.Lock()
	defer p.mu.Unlock()
	if (err != nil) != neg {
		ts.Fatalf("%s ended with %v; it printed:\n%s", args[0], err, p.log.String())
	}
}

// jsonCommand is: json FILE PATH OP VALUE, with PATH such as cycles.0.created or
// findings.@CORE-02.count (the element with that id), and OP one of == != >= <= has.
func jsonCommand(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 4 {
		ts.Fatalf("usage: json FILE PATH OP VALUE")
	}
	var v any
	ts.Check(json.Unmarshal([]byte(ts.ReadFile(args[0])), &v))
	got := lookup(v, args[1])
	ok := compare(got, args[2], args[3])
	if ok == neg {
		ts.Fatalf("%s is %v; wanted %s%s %s", args[1], got, map[bool]string{true: "not "}[neg], args[2], args[3])
	}
}

func lookup(v any, path string) any {
	for key := range strings.SplitSeq(path, ".") {
		switch x := v.(type) {
		case map[string]any:
			v = x[key]
		case []any:
			if id, ok := strings.CutPrefix(key, "@"); ok {
				v = nil
				for _, e := range x {
					if m, _ := e.(map[string]any); m["id"] == id {
						v = m
					}
				}
				continue
			}
			if key == "length" {
				v = float64(len(x))
				continue
			}
			i, err := strconv.Atoi(key)
			if err != nil || i >= len(x) {
				return nil
			}
			v = x[i]
		default:
			return nil
		}
	}
	return v
}

func compare(got any, op, want string) bool {
	text := fmt.Sprint(got)
	if f, ok := got.(float64); ok {
		text = strconv.FormatFloat(f, 'f', -1, 64)
		if w, err := strconv.ParseFloat(want, 64); err == nil {
			switch op {
			case ">=":
				return f >= w
			case "<=":
				return f <= w
			}
		}
	}
	switch op {
	case "==":
		return text == want
	case "!=":
		return text != want
	case "has":
		return strings.Contains(text, want)
	}
	return false
}

// httpCommand is: http STATUS METHOD URL [BODY]. It sends $TOKEN as bearer token
// when it is set, wants the status, and leaves the body in the file "body".
func httpCommand(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 3 {
		ts.Fatalf("usage: http STATUS METHOD URL [BODY]")
	}
	var body io.Reader
	if len(args) > 3 {
		body = strings.NewReader(strings.Join(args[3:], " "))
	}
	req, err := http.NewRequest(args[1], args[2], body)
	ts.Check(err)
	if token := ts.Getenv("TOKEN"); token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	if user := ts.Getenv("KEY"); user != "" && strings.Contains(args[2], "/api/v2/") {
		req.SetBasicAuth(user, "X")
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	resp, err := http.DefaultClient.Do(req)
	ts.Check(err)
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	ts.Check(err)
	ts.Check(os.WriteFile(ts.MkAbs("body"), b, 0o600))
	if strconv.Itoa(resp.StatusCode) != args[0] {
		ts.Fatalf("%s %s answered %d, wanted %s:\n%s", args[1], args[2], resp.StatusCode, args[0], b)
	}
	// Locations are what later steps work on.
	if id := lookupID(b); id != "" {
		ts.Setenv("ID", id)
	}
}

func lookupID(b []byte) string {
	var v struct {
		ID        any `json:"id"`
		Resources []struct {
			ID string `json:"id"`
		} `json:"Resources"`
	}
	if json.Unmarshal(b, &v) != nil {
		return ""
	}
	if s, ok := v.ID.(string); ok {
		return s
	}
	if len(v.Resources) == 1 {
		return v.Resources[0].ID
	}
	return ""
}

// editCommand is: edit FILE REGEXP REPLACEMENT. It replaces in a file, keeping
// everything else, and wants that something matched.
func editCommand(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 3 {
		ts.Fatalf("usage: edit FILE REGEXP REPLACEMENT")
	}
	re := regexp.MustCompile(`(?m)` + args[1])
	before := ts.ReadFile(args[0])
	after := re.ReplaceAllString(before, strings.ReplaceAll(args[2], `\n`, "\n"))
	if after == before {
		ts.Fatalf("nothing in %s matches %s", args[0], args[1])
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte(after), 0o600))
}

// readTokenCommand is: readtoken FILE [OUT]. It sets $TOKEN and $TOKENID from the
// answer to a token's creation, and writes the token to OUT.
func readTokenCommand(ts *testscript.TestScript, neg bool, args []string) {
	var v struct {
		ID          string `json:"id"`
		SecretToken string `json:"secretToken"`
	}
	ts.Check(json.Unmarshal([]byte(ts.ReadFile(args[0])), &v))
	ts.Setenv("TOKEN", v.SecretToken)
	ts.Setenv("TOKENID", v.ID)
	if len(args) > 1 {
		ts.Check(os.WriteFile(ts.MkAbs(args[1]), []byte(v.SecretToken+"\n"), 0o600))
	}
}

// jsonEnvCommand is: jsonenv FILE PATH VARIABLE.
func jsonEnvCommand(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 3 {
		ts.Fatalf("usage: jsonenv FILE PATH VARIABLE")
	}
	var v any
	ts.Check(json.Unmarshal([]byte(ts.ReadFile(args[0])), &v))
	got := lookup(v, args[1])
	if f, ok := got.(float64); ok {
		got = strconv.FormatFloat(f, 'f', -1, 64)
	}
	ts.Setenv(args[2], fmt.Sprint(got))
}

// untilCommand is: until REGEXP COMMAND ARGS... or until REGEXP URL
// It runs a command, or gets a URL with $TOKEN, until what comes out matches:
// what a server does by itself, such as the cycle after a change, ends at a time
// of its own.
func untilCommand(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: until REGEXP COMMAND ARGS...")
	}
	re := regexp.MustCompile(`(?ms)` + args[0])
	ask := func() []byte {
		cmd := exec.Command(args[1], args[2:]...)
		cmd.Dir = ts.MkAbs(".")
		cmd.Env = append(os.Environ(), "LOCKSTEP_DATA="+ts.Getenv("LOCKSTEP_DATA"), "PATH="+ts.Getenv("PATH"))
		out, _ := cmd.Output()
		return out
	}
	if strings.HasPrefix(args[1], "http") {
		ask = func() []byte {
			req, err := http.NewRequest(http.MethodGet, args[1], nil)
			ts.Check(err)
			req.Header.Set("Authorization", "Bearer "+ts.Getenv("TOKEN"))
			resp, err := http.DefaultClient.Do(req)
			ts.Check(err)
			defer resp.Body.Close()
			out, err := io.ReadAll(resp.Body)
			ts.Check(err)
			return out
		}
	} else {
		path, err := exec.LookPath(args[1])
		ts.Check(err)
		args[1] = path
	}
	var out []byte
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		if out = ask(); re.Match(out) {
			return
		}
	}
	ts.Fatalf("it never printed %s; the last output was:\n%s", args[0], out)
}
