package ldap

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"iter"
	"maps"
	"math/big"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	ldapv3 "github.com/go-ldap/ldap/v3"

	"lockstep/internal/provision"
	"lockstep/internal/secret"
)

const (
	suffix   = "dc=corp,dc=example"
	people   = "ou=people," + suffix
	groups   = "ou=groups," + suffix
	adminDN  = "cn=admin," + suffix
	readerDN = "cn=reader,ou=services," + suffix
	// Of a directory that lives as long as the test, on the loopback interface.
	password = "open sesame"
)

// A slapd is a throwaway OpenLDAP server.
type slapd struct {
	t         testing.TB
	dir       string
	plain     string // host:port
	encrypted string // host:port
	socket    string
	cmd       *exec.Cmd
	ended     chan struct{}
	log       *bytes.Buffer
	admin     *ldapv3.Conn
	overlay   bool
}

// findSlapd returns where slapd and its schemas are, or skips the test.
func findSlapd(t testing.TB) (binary, schemas, modules string) {
	t.Helper()
	for _, path := range []string{"/usr/sbin/slapd", "/usr/local/sbin/slapd", "/usr/libexec/slapd"} {
		if _, err := os.Stat(path); err == nil {
			binary = path
		}
	}
	for _, path := range []string{"/etc/ldap/schema", "/etc/openldap/schema"} {
		if _, err := os.Stat(filepath.Join(path, "inetorgperson.schema")); err == nil {
			schemas = path
		}
	}
	for _, path := range []string{"/usr/lib/ldap", "/usr/lib64/openldap", "/usr/lib/openldap"} {
		if found, _ := filepath.Glob(filepath.Join(path, "syncprov*")); len(found) > 0 {
			modules = path
		}
	}
	if binary == "" || schemas == "" || modules == "" {
		const missing = "this test needs OpenLDAP's server, which is not installed: on Debian, apt-get install slapd"
		if os.Getenv("LOCKSTEP_REQUIRE_SLAPD") == "1" {
			t.Fatal(missing)
		}
		t.Skip(missing)
	}
	return binary, schemas, modules
}

// startSlapd starts a server with the overlay syncprov, or without, and the
// given entries below the usual ones.
func startSlapd(t testing.TB, overlay bool, entries string) *slapd {
	t.Helper()
	binary, schemas, modules := findSlapd(t)
	s := &slapd{t: t, dir: t.TempDir(), overlay: overlay}
	s.socket = filepath.Join(s.dir, "s")
	s.certificates()
	if err := os.Mkdir(filepath.Join(s.dir, "db"), 0o700); err != nil {
		t.Fatal(err)
	}
	var conf strings.Builder
	for _, name := range []string{"core", "cosine", "nis", "inetorgperson"} {
		fmt.Fprintf(&conf, "include %s/%s.schema\n", schemas, name)
	}
	fmt.Fprintf(&conf, "modulepath %s\nmoduleload back_mdb\nmoduleload syncprov\n", modules)
	fmt.Fprintf(&conf, "pidfile %[1]s/pid\nTLSCACertificateFile %[1]s/ca.pem\nTLSCertificateFile %[1]s/cert.pem\nTLSCertificateKeyFile %[1]s/key.pem\n", s.dir)
	fmt.Fprintf(&conf, "database mdb\nmaxsize 268435456\nsuffix %q\nrootdn %q\nrootpw %q\ndirectory %s/db\n", suffix, adminDN, password, s.dir)
	// The reader may read any number in pages and no more than 50 at once; the
	// small one 5 in all.
	fmt.Fprintf(&conf, "limits dn.exact=%q size.soft=50 size.hard=50 size.prtotal=unlimited\n", readerDN)
	fmt.Fprintf(&conf, "limits dn.exact=\"cn=small,ou=services,%s\" size.soft=5 size.hard=5 size.prtotal=5\n", suffix)
	conf.WriteString("dbnosync\nindex objectClass,entryUUID,uid,mail,member,manager eq\nindex entryCSN eq\n")
	conf.WriteString("access to attrs=userPassword by anonymous auth by * none\naccess to * by dn.exact=\"cn=blind,ou=services," + suffix + "\" none by anonymous none by users read\n")
	if overlay {
		conf.WriteString("overlay syncprov\n")
	}
	s.write("slapd.conf", conf.String())
	s.write("seed.ldif", seed+entries)
	add := exec.Command(binary, "-T", "add", "-q", "-f", filepath.Join(s.dir, "slapd.conf"), "-l", filepath.Join(s.dir, "seed.ldif"))
	if out, err := add.CombinedOutput(); err != nil {
		t.Fatalf("slapadd: %v\n%s", err, out)
	}
	s.start(binary)
	t.Cleanup(s.stop)
	return s
}

const seed = `dn: dc=corp,dc=example
objectClass: dcObject
objectClass: organization
dc: corp
o: Corp

dn: ou=people,dc=corp,dc=example
objectClass: organizationalUnit
ou: people

dn: ou=groups,dc=corp,dc=example
objectClass: organizationalUnit
ou: groups

dn: ou=services,dc=corp,dc=example
objectClass: organizationalUnit
ou: services

dn: cn=reader,ou=services,dc=corp,dc=example
objectClass: organizationalRole
objectClass: simpleSecurityObject
cn: reader
userPassword: open sesame

dn: cn=blind,ou=services,dc=corp,dc=example
objectClass: organizationalRole
objectClass: simpleSecurityObject
cn: blind
userPassword: open sesame

dn: cn=small,ou=services,dc=corp,dc=example
objectClass: organizationalRole
objectClass: simpleSecurityObject
cn: small
userPassword: open sesame

`

func (s *slapd) write(name, content string) {
	s.t.Helper()
	if err := os.WriteFile(filepath.Join(s.dir, name), []byte(content), 0o600); err != nil {
		s.t.Fatal(err)
	}
}

// certificates makes an authority and a server certificate for 127.0.0.1.
func (s *slapd) certificates() {
	s.t.Helper()
	key := func() *ecdsa.PrivateKey {
		k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			s.t.Fatal(err)
		}
		return k
	}
	caKey, serverKey := key(), key()
	ca := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "Test authority"}, NotBefore: time.Now().Add(-time.Hour),
		NotAfter: time.Now().Add(24 * time.Hour), IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}
	server := &x509.Certificate{SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "127.0.0.1"}, NotBefore: ca.NotBefore,
		NotAfter: ca.NotAfter, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}
	for _, c := range []struct {
		file string
		cert *x509.Certificate
		key  *ecdsa.PrivateKey
	}{{"ca.pem", ca, caKey}, {"cert.pem", server, serverKey}} {
		der, err := x509.CreateCertificate(rand.Reader, c.cert, ca, &c.key.PublicKey, caKey)
		if err != nil {
			s.t.Fatal(err)
		}
		s.write(c.file, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})))
	}
	der, err := x509.MarshalECPrivateKey(serverKey)
	if err != nil {
		s.t.Fatal(err)
	}
	s.write("key.pem", string(pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: der})))
}

// start starts the server on ports that are free, or on those it had.
func (s *slapd) start(binary string) {
	s.t.Helper()
	for attempt := 1; ; attempt++ {
		if s.plain == "" {
			s.plain, s.encrypted = freePort(s.t), freePort(s.t)
		}
		s.log = &bytes.Buffer{}
		s.cmd = exec.Command(binary, "-d", "0", "-f", filepath.Join(s.dir, "slapd.conf"),
			"-h", fmt.Sprintf("ldap://%s ldaps://%s ldapi://%s", s.plain, s.encrypted, url.PathEscape(s.socket)))
		s.cmd.Stderr = s.log
		if err := s.cmd.Start(); err != nil {
			s.t.Fatal(err)
		}
		s.ended = make(chan struct{})
		go func() {
			defer close(s.ended)
			_ = s.cmd.Wait()
		}()
		if s.connect() {
			return
		}
		if attempt == 3 {
			s.t.Fatalf("slapd does not start: %s", s.log)
		}
		s.plain = "" // somebody took the port
	}
}

func freePort(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// connect binds as administrator as soon as the server answers; false when it
// has ended instead. It uses the socket: on a port somebody else may answer.
func (s *slapd) connect() bool {
	for {
		conn, err := ldapv3.DialURL("ldapi://" + url.PathEscape(s.socket))
		if err == nil {
			if err = conn.Bind(adminDN, password); err == nil {
				s.admin = conn
				return true
			}
			_ = conn.Close()
		}
		select {
		case <-s.ended:
			return false
		case <-time.After(5 * time.Millisecond):
		}
	}
}

func (s *slapd) stop() {
	if s.admin != nil {
		_ = s.admin.Close()
	}
	_ = s.cmd.Process.Signal(os.Interrupt)
	select {
	case <-s.ended:
	case <-time.After(10 * time.Second):
		_ = s.cmd.Process.Kill()
		<-s.ended
	}
}

// restart ends the server and starts it again at the same address.
func (s *slapd) restart() {
	s.t.Helper()
	binary, _, _ := findSlapd(s.t)
	s.stop()
	s.start(binary)
}

func (s *slapd) add(dn string, attributes map[string][]string) {
	s.t.Helper()
	req := ldapv3.NewAddRequest(dn, nil)
	for name, values := range attributes {
		req.Attribute(name, values)
	}
	if err := s.admin.Add(req); err != nil {
		s.t.Fatalf("add %s: %v", dn, err)
	}
}

func (s *slapd) addPerson(uid string, more map[string][]string) string {
	s.t.Helper()
	attributes := map[string][]string{"objectClass": {"inetOrgPerson"}, "uid": {uid}, "cn": {strings.ToUpper(uid)}, "sn": {uid}, "mail": {uid + "@corp.example"}}
	maps.Copy(attributes, more)
	s.add(personDN(uid), attributes)
	return personDN(uid)
}

func personDN(uid string) string { return "uid=" + uid + "," + people }

func (s *slapd) replace(dn, attribute string, values ...string) {
	s.t.Helper()
	req := ldapv3.NewModifyRequest(dn, nil)
	req.Replace(attribute, values)
	if err := s.admin.Modify(req); err != nil {
		s.t.Fatalf("modify %s: %v", dn, err)
	}
}

func (s *slapd) delete(dn string) {
	s.t.Helper()
	if err := s.admin.Del(ldapv3.NewDelRequest(dn, nil)); err != nil {
		s.t.Fatalf("delete %s: %v", dn, err)
	}
}

func (s *slapd) rename(dn, rdn, parent string) {
	s.t.Helper()
	if err := s.admin.ModifyDN(ldapv3.NewModifyDNRequest(dn, rdn, true, parent)); err != nil {
		s.t.Fatalf("rename %s: %v", dn, err)
	}
}

// id returns the entryUUID of an entry.
func (s *slapd) id(dn string) string {
	s.t.Helper()
	res, err := s.admin.Search(base(dn, "entryUUID"))
	if err != nil || len(res.Entries) != 1 {
		s.t.Fatalf("%s: %v", dn, err)
	}
	return res.Entries[0].GetAttributeValue("entryUUID")
}

// options are those of a reader who may see everything.
func (s *slapd) options() Options {
	return Options{Config: Config{URL: "ldap://" + s.plain, BindDN: readerDN, BaseDN: suffix}, Password: secret.NewText(password)}
}

func newSource(t testing.TB, o Options) *Source {
	t.Helper()
	s, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	s.backoff = time.Millisecond
	return s
}

// A mirror remembers what a source has said, as the engine's ledger does.
type mirror struct {
	objects   map[string]*provision.Object // by type and ID
	removed   map[string]provision.Removal
	watermark provision.Watermark
	// Of the last read; changes are those that differ from what was known.
	changes  []provision.Change
	problems []provision.Problem
	pages    int
	complete bool
}

func newMirror() *mirror {
	return &mirror{objects: map[string]*provision.Object{}, removed: map[string]provision.Removal{}}
}

func mirrorKey(t provision.ObjectType, id string) string { return string(t) + " " + id }

// known is what [provision.Ledger.Staged] would yield.
func (m *mirror) known(context.Context) iter.Seq2[provision.StagedObject, error] {
	return func(yield func(provision.StagedObject, error) bool) {
		for key, o := range m.objects {
			if !yield(provision.StagedObject{Type: o.Type, ID: o.ID, Hash: o.ContentHash(), Removed: m.removed[key]}, nil) {
				return
			}
		}
	}
}

// read brings the mirror up to date as the engine does.
func (m *mirror) read(t testing.TB, s *Source) {
	t.Helper()
	err := m.readSince(s, t.Context(), m.watermark)
	if err == provision.ErrWatermarkExpired {
		err = m.readSince(s, t.Context(), "")
	}
	if err != nil {
		t.Fatal(err)
	}
}

func (m *mirror) readSince(s *Source, ctx context.Context, since provision.Watermark) error {
	m.changes, m.problems, m.pages, m.complete = nil, nil, 0, false
	seen := map[string]bool{}
	next := provision.Watermark("")
	for page, err := range s.Changes(ctx, since) {
		if err != nil {
			return err
		}
		m.pages++
		m.problems = append(m.problems, page.Problems...)
		for _, c := range page.Changes {
			key := mirrorKey(c.Object.Type, c.Object.ID)
			seen[key] = true
			old := m.objects[key]
			if old == nil || c.Removed != m.removed[key] || c.Removed == provision.NotRemoved && c.Object.ContentHash() != old.ContentHash() {
				m.changes = append(m.changes, c)
			}
			m.removed[key] = c.Removed
			if c.Removed == provision.NotRemoved || m.objects[key] == nil {
				m.objects[key] = c.Object
			}
		}
		if page.Complete {
			m.complete = true
			for key := range m.objects {
				if !seen[key] {
					m.removed[key] = provision.RemovedHard
				}
			}
		}
		next = page.Next
	}
	if next == "" {
		return fmt.Errorf("the last page has no watermark")
	}
	m.watermark = next
	return nil
}

// live returns the objects that are there.
func (m *mirror) live() map[string]*provision.Object {
	live := map[string]*provision.Object{}
	for key, o := range m.objects {
		if m.removed[key] == provision.NotRemoved {
			live[key] = o
		}
	}
	return live
}

// named returns the object with a name, or nil.
func (m *mirror) named(name string) *provision.Object {
	for _, o := range m.live() {
		if o.Name() == name || textOf(o, "displayName") == name {
			return o
		}
	}
	return nil
}

func textOf(o *provision.Object, name string) string { return o.Attributes[name].String() }

// changed returns the names of what the last read yielded, sorted, with a minus
// before those that were removed.
func (m *mirror) changed() []string {
	var names []string
	for _, c := range m.changes {
		name := m.objects[mirrorKey(c.Object.Type, c.Object.ID)].Name()
		if c.Removed != provision.NotRemoved {
			name = "-" + name
		}
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}
