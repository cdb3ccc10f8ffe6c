package ldap

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"lockstep/internal/secret"
)

func TestNewRefuses(t *testing.T) {
	t.Parallel()
	pw := secret.NewText("x")
	for _, tt := range []struct {
		name string
		o    Options
		want string // part of the error; "" when it is to be taken
	}{
		{"no URL", Options{}, "must be ldaps://"},
		{"another scheme", Options{Config: Config{URL: "https://dc1"}}, "must be ldaps://"},
		{"no host", Options{Config: Config{URL: "ldap://"}}, "must be ldaps://"},
		{"more than a host", Options{Config: Config{URL: "ldap://dc1/dc=x"}}, "more than scheme"},
		{"a password in the URL", Options{Config: Config{URL: "ldap://me:pw@dc1"}}, "more than scheme"},
		{"plain password over the network", Options{Config: Config{URL: "ldap://dc1", BindDN: "cn=x"}, Password: pw}, "unencrypted"},
		{"plain password to a name that looks local", Options{Config: Config{URL: "ldap://localhost.evil.example", BindDN: "cn=x"}, Password: pw}, "unencrypted"},
		{"the same, allowed", Options{Config: Config{URL: "ldap://dc1", BindDN: "cn=x", AllowPlaintextPassword: true}, Password: pw}, ""},
		{"plain password, same machine", Options{Config: Config{URL: "ldap://127.0.0.1:3890", BindDN: "cn=x"}, Password: pw}, ""},
		{"plain password, same machine, IPv6", Options{Config: Config{URL: "ldap://[::1]", BindDN: "cn=x"}, Password: pw}, ""},
		{"StartTLS", Options{Config: Config{URL: "ldap://dc1", StartTLS: true, BindDN: "cn=x"}, Password: pw}, ""},
		{"StartTLS inside TLS", Options{Config: Config{URL: "ldaps://dc1", StartTLS: true}}, "startTLS"},
		{"anonymous over the network", Options{Config: Config{URL: "ldap://dc1"}}, ""},
		{"a socket", Options{Config: Config{URL: "ldapi://%2Frun%2Fldapi", BindDN: "cn=x"}, Password: pw}, ""},
		{"a socket without path", Options{Config: Config{URL: "ldapi://"}}, "socket"},
		{"nobody's password", Options{Config: Config{URL: "ldaps://dc1"}, Password: pw}, "bindDN"},
		{"no password", Options{Config: Config{URL: "ldaps://dc1", BindDN: "cn=x"}}, "is missing"},
		{"base", Options{Config: Config{URL: "ldaps://dc1", BaseDN: "people"}}, "baseDN"},
		{"user filter", Options{Config: Config{URL: "ldaps://dc1", UserFilter: "(uid=a"}}, "userFilter"},
		{"group filter", Options{Config: Config{URL: "ldaps://dc1", GroupFilter: "(&"}}, "groupFilter"},
		{"no groups", Options{Config: Config{URL: "ldaps://dc1", GroupFilter: NoGroups}}, ""},
		{"method", Options{Config: Config{URL: "ldaps://dc1", Changes: "guess"}}, "changes"},
		{"page size", Options{Config: Config{URL: "ldaps://dc1", PageSize: -1}}, "negative"},
		{"attribute name", Options{Config: Config{URL: "ldaps://dc1", Attributes: map[string]string{"a": "b)(c"}}}, "names of attributes"},
		{"password attribute", Options{Config: Config{URL: "ldaps://dc1", Attributes: map[string]string{"a": "userPassword"}}}, "never read"},
		{"ID", Options{Config: Config{URL: "ldaps://dc1", Attributes: map[string]string{"objectId": "uid"}}}, "cannot come from"},
		{"select", Options{Config: Config{URL: "ldaps://dc1", Select: []string{"*"}}}, "select"},
	} {
		_, err := New(tt.o)
		if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
}

// TestTransports reads over every kind of connection.
func TestTransports(t *testing.T) {
	t.Parallel()
	d := startSlapd(t, true, sampleCompany)
	ca := filepath.Join(d.dir, "ca.pem")
	for name, change := range map[string]func(*Options){
		"ldap":     func(*Options) {},
		"ldaps":    func(o *Options) { o.URL, o.CAFile = "ldaps://"+d.encrypted, ca },
		"StartTLS": func(o *Options) { o.StartTLS, o.CAFile = true, ca },
		"socket":   func(o *Options) { o.URL = "ldapi://" + strings.ReplaceAll(d.socket, "/", "%2F") },
	} {
		o := d.options()
		change(&o)
		s := newSource(t, o)
		m := newMirror()
		m.read(t, s)
		if got := len(m.live()); got != 6 {
			t.Errorf("%s: %d objects", name, got)
		}
		rep, err := s.Check(t.Context())
		if err != nil || rep.Encrypted != (o.CAFile != "") {
			t.Errorf("%s: %+v, %v", name, rep, err)
		}
	}
}

func TestCheckNamesWhatIsWrong(t *testing.T) {
	t.Parallel()
	d := startSlapd(t, true, sampleCompany)
	unused := freePort(t)
	silent := listen(t, func(net.Conn) {})
	wrongCA := filepath.Join(t.TempDir(), "wrong.pem")
	empty := filepath.Join(t.TempDir(), "empty.pem")
	other := &slapd{t: t, dir: filepath.Dir(wrongCA)}
	other.certificates()
	if err := errors.Join(os.Rename(filepath.Join(other.dir, "ca.pem"), wrongCA), os.WriteFile(empty, []byte("nothing"), 0o600)); err != nil {
		t.Fatal(err)
	}
	ca := filepath.Join(d.dir, "ca.pem")
	for _, tt := range []struct {
		name   string
		change func(*Options)
		step   Step
		want   []string // parts of the error
	}{
		{"nobody listens", func(o *Options) { o.URL = "ldap://" + unused }, StepConnect, []string{unused, "refused", "nothing listens"}},
		{"no such host", func(o *Options) { o.URL, o.AllowPlaintextPassword = "ldap://directory.invalid", true }, StepConnect, []string{"directory.invalid", "check the host"}},
		{"no answer", func(o *Options) { o.URL, o.TimeoutSeconds = "ldap://"+silent, 1 }, StepBind, []string{"timed out"}},
		{"unknown authority", func(o *Options) { o.URL = "ldaps://" + d.encrypted }, StepTLS, []string{"caFile"}},
		{"wrong authority", func(o *Options) { o.URL, o.CAFile = "ldaps://"+d.encrypted, wrongCA }, StepTLS, []string{"caFile"}},
		{"unknown authority with StartTLS", func(o *Options) { o.StartTLS = true }, StepTLS, []string{"caFile"}},
		{"another name", func(o *Options) {
			o.URL, o.CAFile = "ldaps://localhost:"+d.encrypted[strings.LastIndex(d.encrypted, ":")+1:], ca
		}, StepTLS, []string{"another name"}},
		{"no file of authorities", func(o *Options) { o.URL, o.CAFile = "ldaps://"+d.encrypted, "/nonexistent/ca.pem" }, StepTLS, []string{"/nonexistent/ca.pem"}},
		{"a file without certificates", func(o *Options) { o.URL, o.CAFile = "ldaps://"+d.encrypted, empty }, StepTLS, []string{"BEGIN CERTIFICATE"}},
		{"TLS where there is none", func(o *Options) { o.URL = "ldaps://" + d.plain }, StepTLS, []string{"TLS"}},
		{"wrong password", func(o *Options) { o.Password = secret.NewText("not this") }, StepBind, []string{"Invalid Credentials", "password is wrong"}},
		{"no such base", func(o *Options) { o.BaseDN = "ou=staff," + suffix }, StepBase, []string{"ou=staff", "the server has " + suffix}},
		{"no rights", func(o *Options) { o.BindDN = "cn=blind,ou=services," + suffix }, StepBase, []string{"rights of bindDN"}},
		{"anonymous", func(o *Options) { o.BindDN, o.Password = "", secret.Text{} }, StepBase, []string{"rights of bindDN"}},
		{"size limit", func(o *Options) { o.BindDN, o.PageSize = "cn=small,ou=services,"+suffix, 5 }, StepSearch, []string{"Size Limit", "raise it"}},
		{"nobody there", func(o *Options) { o.BaseDN = groups }, StepSearch, []string{"nobody below", "userFilter"}},
		{"a method that it does not have", func(o *Options) { o.Changes = USN }, StepConnect, []string{"highestCommittedUSN"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if tt.name == "size limit" {
				for i := range 4 {
					d.addPerson(fmt.Sprintf("extra%d", i), nil)
				}
			}
			o := d.options()
			o.Known = newMirror().known
			tt.change(&o)
			s := newSource(t, o)
			_, err := s.Check(t.Context())
			var e *Error
			if !errors.As(err, &e) {
				t.Fatalf("got %v", err)
			}
			if e.Step != tt.step {
				t.Errorf("the step is %q, want %q", e.Step, tt.step)
			}
			for _, want := range tt.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%q does not say %q", err, want)
				}
			}
			if strings.Contains(err.Error(), password) || strings.Contains(err.Error(), "not this") {
				t.Errorf("%q tells the password", err)
			}
			// Reading says the same.
			if err := newMirror().readSince(s, t.Context(), ""); !errors.As(err, &e) || e.Step != tt.step {
				t.Errorf("reading says %v", err)
			}
		})
	}
}

func TestCheckReports(t *testing.T) {
	t.Parallel()
	for _, overlay := range []bool{true, false} {
		d := startSlapd(t, overlay, sampleCompany)
		rep, err := newSource(t, d.options()).Check(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		method, watch := CSN, "sync"
		if !overlay {
			method, watch = Timestamp, ""
		}
		if rep.Users != 3 || rep.Groups != 3 || rep.More || rep.Method != method || rep.Watch != watch || rep.Identity != "entryuuid" || rep.Base != suffix {
			t.Errorf("syncprov %v: %+v", overlay, rep)
		}
		warnings := strings.Join(rep.Warnings, "\n")
		if !strings.Contains(warnings, "1 of the first 3 people have a manager") || strings.Contains(warnings, "contextCSN") == overlay {
			t.Errorf("syncprov %v: %q", overlay, rep.Warnings)
		}
	}
}

// listen accepts connections on the loopback interface and gives each to fn,
// until the test ends. They stay open until then.
func listen(t testing.TB, fn func(net.Conn)) (address string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	t.Cleanup(func() { close(done); l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				fn(c)
				<-done
			}()
		}
	}()
	return l.Addr().String()
}

// A proxy passes connections on to a server, and cuts the first few of them
// after so many bytes of answers.
type proxy struct {
	address string
	cuts    atomic.Int64 // connections still to be cut
	after   int64
	opened  atomic.Int64
}

func newProxy(t testing.TB, to string, cuts, after int64) *proxy {
	p := &proxy{after: after}
	p.cuts.Store(cuts)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	p.address = l.Addr().String()
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			p.opened.Add(1)
			go p.pass(c, to)
		}
	}()
	return p
}

func (p *proxy) pass(c net.Conn, to string) {
	defer c.Close()
	server, err := net.Dial("tcp", to)
	if err != nil {
		return
	}
	defer server.Close()
	go func() {
		_, _ = io.Copy(server, c)
		_ = server.Close()
	}()
	if p.cuts.Add(-1) >= 0 {
		_, _ = io.CopyN(c, server, p.after)
		return
	}
	_, _ = io.Copy(c, server)
}

// TestConnectionLoss: a connection that breaks in the midst of an answer is made
// again, and nobody is missing in the end.
func TestConnectionLoss(t *testing.T) {
	t.Parallel()
	d := startSlapd(t, true, sampleCompany)
	for i := range 60 {
		d.addPerson(fmt.Sprintf("p%d", i), map[string][]string{"manager": {personDN("ada")}})
	}
	for _, after := range []int64{1500, 4000, 9000, 14000} {
		p := newProxy(t, d.plain, 2, after)
		o := d.options()
		o.URL, o.PageSize = "ldap://"+p.address, 7
		m := newMirror()
		o.Known = m.known
		s := newSource(t, o)
		m.read(t, s)
		if got := len(m.live()); got != 66 || !m.complete {
			t.Errorf("cut after %d bytes: %d objects, complete %v", after, got, m.complete)
		}
		if p.opened.Load() < 3 {
			t.Errorf("cut after %d bytes: only %d connections, so nothing was cut", after, p.opened.Load())
		}
		// An incremental read over another broken connection finds the same.
		d.replace(personDN("ada"), "title", fmt.Sprintf("after %d", after))
		p.cuts.Store(1)
		m.read(t, s)
		if got := m.changed(); len(got) != 1 || got[0] != "ada@corp.example" {
			t.Errorf("cut after %d bytes: then %q changed", after, got)
		}
	}
}

// TestConnectionLostForGood: after some tries the error says so, and no page is
// marked complete.
func TestConnectionLostForGood(t *testing.T) {
	t.Parallel()
	d := startSlapd(t, true, sampleCompany)
	for i := range 60 {
		d.addPerson(fmt.Sprintf("p%d", i), nil)
	}
	p := newProxy(t, d.plain, 1000, 4000)
	o := d.options()
	o.URL, o.PageSize = "ldap://"+p.address, 7
	m := newMirror()
	err := m.readSince(newSource(t, o), t.Context(), "")
	var e *Error
	if !errors.As(err, &e) || m.complete || !strings.Contains(err.Error(), "connection was lost") {
		t.Errorf("complete %v, %v", m.complete, err)
	}
}

// TestCancellation ends a read at once, also one that waits for an answer.
func TestCancellation(t *testing.T) {
	t.Parallel()
	got := make(chan struct{}, 10)
	address := listen(t, func(c net.Conn) {
		_, _ = c.Read(make([]byte, 1))
		got <- struct{}{}
	})
	s := newSource(t, Options{Config: Config{URL: "ldap://" + address}})
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		<-got
		cancel()
	}()
	if err := newMirror().readSince(s, ctx, ""); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	d := startSlapd(t, true, sampleCompany)
	o := d.options()
	o.PageSize = 1
	s = newSource(t, o)
	ctx, cancel = context.WithCancel(t.Context())
	defer cancel()
	pages := 0
	var last error
	for _, err := range s.Changes(ctx, "") {
		pages++
		last = err
		cancel()
	}
	if pages != 2 || !errors.Is(last, context.Canceled) {
		t.Errorf("%d pages, then %v", pages, last)
	}
}

// TestLeavingTheLoop ends a read without an error.
func TestLeavingTheLoop(t *testing.T) {
	t.Parallel()
	d := startSlapd(t, true, sampleCompany)
	o := d.options()
	o.PageSize = 1
	for page, err := range newSource(t, o).Changes(t.Context(), "") {
		if err != nil || len(page.Changes) != 1 {
			t.Errorf("%+v, %v", page, err)
		}
		break
	}
}

// await waits for a value; the test's own time-out ends it otherwise.
func await(t testing.TB, changed <-chan struct{}, what string) {
	t.Helper()
	select {
	case _, ok := <-changed:
		if !ok {
			t.Fatalf("%s: the channel is closed", what)
		}
	case <-time.After(30 * time.Second):
		t.Fatalf("%s: nothing is announced", what)
	}
}

// TestWatch: changes announce themselves, also after the server was away.
func TestWatch(t *testing.T) {
	t.Parallel()
	d := startSlapd(t, true, sampleCompany)
	s := newSource(t, d.options())
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	changed := s.Watch(ctx)
	// When the server waits for changes cannot be seen from outside; so the first
	// change is repeated until it is announced.
	waitFirst(t, d, changed)
	d.addPerson("new", nil)
	await(t, changed, "an addition")
	d.delete(personDN("new"))
	await(t, changed, "a removal")
	d.replace("cn=research,"+groups, "description", "x")
	await(t, changed, "a group")
	d.restart()
	await(t, changed, "a restart")
	waitFirst(t, d, changed)
	cancel()
	for range changed {
	}
}

func waitFirst(t *testing.T, d *slapd, changed <-chan struct{}) {
	t.Helper()
	for i := range 100 {
		d.replace(personDN("ada"), "title", fmt.Sprint("title ", i))
		select {
		case <-changed:
			return
		case <-time.After(700 * time.Millisecond):
		}
	}
	t.Fatal("nothing is announced")
}

// TestWatchSilent: a server that announces nothing leaves the channel silent and
// open until the end, and so does one that is not there.
func TestWatchSilent(t *testing.T) {
	t.Parallel()
	d := startSlapd(t, false, sampleCompany)
	for _, url := range []string{"ldap://" + d.plain, "ldap://" + freePort(t)} {
		o := d.options()
		o.URL = url
		ctx, cancel := context.WithCancel(t.Context())
		changed := newSource(t, o).Watch(ctx)
		select {
		case _, ok := <-changed:
			t.Errorf("%s: got a value, open %v", url, ok)
		case <-time.After(50 * time.Millisecond):
		}
		cancel()
		if _, ok := <-changed; ok {
			t.Errorf("%s: got a value at the end", url)
		}
	}
}

// BenchmarkFullRead reads 10,000 people with managers and 100 groups of 100.
func BenchmarkFullRead(b *testing.B) {
	const n = 10_000
	var ldif strings.Builder
	for i := range n {
		fmt.Fprintf(&ldif, "dn: uid=p%d,%s\nobjectClass: inetOrgPerson\nuid: p%d\ncn: Person %d\nsn: Number %d\ngivenName: Person\ndisplayName: Person %d\nmail: p%d@corp.example\n"+
			"title: Clerk\nemployeeNumber: %d\ntelephoneNumber: +45 %d\nl: Town\nmanager: uid=p%d,%s\n\n", i, people, i, i, i, i, i, i, i, i/8, people)
	}
	for g := range 100 {
		fmt.Fprintf(&ldif, "dn: cn=g%d,%s\nobjectClass: groupOfNames\ncn: g%d\n", g, groups, g)
		for i := range 100 {
			fmt.Fprintf(&ldif, "member: uid=p%d,%s\n", g*100+i, people)
		}
		ldif.WriteByte('\n')
	}
	d := startSlapd(b, true, ldif.String())
	m := newMirror()
	o := d.options()
	o.Known = m.known
	s := newSource(b, o)
	b.Run("everything", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			objects := 0
			for page, err := range s.Changes(b.Context(), "") {
				if err != nil {
					b.Fatal(err)
				}
				objects += len(page.Changes)
			}
			if objects != n+100 {
				b.Fatalf("%d objects", objects)
			}
		}
		b.ReportMetric(float64(n)*float64(b.N)/b.Elapsed().Seconds(), "people/s")
	})
	m.read(b, s)
	b.Run("nothing changed", func(b *testing.B) {
		for b.Loop() {
			m.read(b, s)
		}
	})
	b.Run("one change", func(b *testing.B) {
		for i := 0; b.Loop(); i++ {
			d.replace(personDN("p1"), "title", fmt.Sprint("title ", i))
			m.read(b, s)
			if len(m.changes) != 1 {
				b.Fatalf("%d changes", len(m.changes))
			}
		}
	})
}
