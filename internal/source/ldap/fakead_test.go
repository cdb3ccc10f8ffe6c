package ldap

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"fmt"
	"maps"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	ber "github.com/go-asn1-ber/asn1-ber"
	ldapv3 "github.com/go-ldap/ldap/v3"

	"lockstep/internal/secret"
	"lockstep/internal/source/attribute"
)

const (
	adRoot  = "DC=corp,DC=example"
	adStaff = "OU=Staff," + adRoot
	adOther = "OU=Other," + adRoot
	adGroup = "OU=Groups," + adRoot
)

// A fakeAD answers as Active Directory does: binary GUIDs, attributes in
// ranges, change numbers, DirSync, deleted objects and notifications.
type fakeAD struct {
	t       testing.TB
	address string

	mu       sync.Mutex
	entries  map[string]*adEntry // by lower-case DN
	usn      uint64
	guids    byte
	watchers []chan struct{}
	searches int
	// What the test sets.
	noDirSync   bool // the right is missing
	noDeleted   bool // the right to see deleted objects is missing
	recycleBin  bool
	badCookie   bool
	invocation  byte
	fail        []uint16 // result codes of the next searches, 0 for none
	rangeSize   int
	refuseBind  string // diagnostic message
	dirSyncSize int
}

// An adEntry is one object.
type adEntry struct {
	dn         string
	guid       string
	attributes map[string][]string
	usn        uint64
	deleted    bool
}

func newFakeAD(t testing.TB) *fakeAD {
	f := &fakeAD{t: t, entries: map[string]*adEntry{}, rangeSize: 3, dirSyncSize: 4, recycleBin: true}
	for _, dn := range []string{adRoot, adStaff, adOther, adGroup, "CN=Deleted Objects," + adRoot} {
		class := "organizationalUnit"
		if dn == adRoot {
			class = "domainDNS"
		}
		if strings.HasPrefix(dn, "CN=Deleted") {
			class = "container"
		}
		f.put(dn, map[string][]string{"objectClass": {"top", class}})
	}
	f.entries[strings.ToLower("CN=Deleted Objects,"+adRoot)].deleted = true
	f.address = listen(t, f.serve)
	return f
}

func (f *fakeAD) options() Options {
	return Options{Config: Config{URL: "ldap://" + f.address, BindDN: "lockstep@corp.example", BaseDN: adRoot}, Password: secret.NewText(password)}
}

// change is what happens to an object: a new change number, and word to those
// who wait.
func (f *fakeAD) change(e *adEntry) {
	f.usn++
	e.usn = f.usn
	for _, w := range f.watchers {
		select {
		case w <- struct{}{}:
		default:
		}
	}
}

func (f *fakeAD) put(dn string, attributes map[string][]string) *adEntry {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.guids++
	e := &adEntry{dn: dn, guid: strings.Repeat("\x00", 15) + string([]byte{f.guids}), attributes: attributes}
	f.entries[strings.ToLower(dn)] = e
	f.change(e)
	return e
}

func (f *fakeAD) addUser(name, ou string, more map[string][]string) *adEntry {
	attributes := map[string][]string{
		"objectClass": {"top", "person", "organizationalPerson", "user"}, "objectCategory": {"CN=Person,CN=Schema"}, "cn": {name},
		"sAMAccountName": {name}, "userPrincipalName": {name + "@corp.example"}, "userAccountControl": {"512"},
	}
	maps.Copy(attributes, more)
	return f.put("CN="+name+","+ou, attributes)
}

func (f *fakeAD) addGroup(name string, members ...string) *adEntry {
	return f.put("CN="+name+","+adGroup, map[string][]string{"objectClass": {"top", "group"}, "cn": {name}, "sAMAccountName": {name}, "member": members})
}

func (f *fakeAD) set(e *adEntry, name string, values ...string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	e.attributes[name] = values
	f.change(e)
}

// move renames an object. Links follow without a change number of their own.
func (f *fakeAD) move(e *adEntry, dn string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	old := e.dn
	rename := func(s string) string {
		if s == old || strings.HasSuffix(s, ","+old) {
			return s[:len(s)-len(old)] + dn
		}
		return s
	}
	renamed := map[string]*adEntry{}
	for _, other := range f.entries {
		other.dn = rename(other.dn)
		for _, name := range []string{"manager", "member"} {
			for i, v := range other.attributes[name] {
				other.attributes[name][i] = rename(v)
			}
		}
		renamed[strings.ToLower(other.dn)] = other
	}
	f.entries = renamed
	f.change(e)
}

// remove deletes an object: it moves to the deleted ones, and its links go.
func (f *fakeAD) remove(e *adEntry) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, other := range f.entries {
		for _, name := range []string{"manager", "member"} {
			if slices.Contains(other.attributes[name], e.dn) {
				other.attributes[name] = slices.DeleteFunc(slices.Clone(other.attributes[name]), func(s string) bool { return s == e.dn })
			}
		}
	}
	delete(f.entries, strings.ToLower(e.dn))
	id, _ := attribute.GUIDText(e.guid)
	e.dn = fmt.Sprintf(`CN=%s\0ADEL:%s,CN=Deleted Objects,%s`, e.attributes["cn"][0], id, adRoot)
	e.deleted = true
	e.attributes = map[string][]string{"objectClass": e.attributes["objectClass"], "cn": e.attributes["cn"], "isDeleted": {"TRUE"}}
	if !f.recycleBin {
		e.attributes["isRecycled"] = []string{"TRUE"}
	}
	f.entries[strings.ToLower(e.dn)] = e
	f.change(e)
}

// recycle ends the time in the recycle bin.
func (f *fakeAD) recycle(e *adEntry) { f.set(e, "isRecycled", "TRUE") }

// id returns the GUID of an object as text.
func (e *adEntry) id() string {
	id, _ := attribute.GUIDText(e.guid)
	return id
}

// serve speaks LDAP on one connection.
func (f *fakeAD) serve(c net.Conn) {
	r := bufio.NewReader(c)
	var write sync.Mutex
	send := func(p *ber.Packet) {
		write.Lock()
		defer write.Unlock()
		_, _ = c.Write(p.Bytes())
	}
	for {
		p, err := ber.ReadPacket(r)
		if err != nil || len(p.Children) < 2 {
			return
		}
		id, op := p.Children[0].Value.(int64), p.Children[1]
		switch op.Tag {
		case ldapv3.ApplicationBindRequest:
			code, diagnostic := uint16(0), ""
			if f.refuseBind != "" {
				code, diagnostic = ldapv3.LDAPResultInvalidCredentials, f.refuseBind
			}
			send(message(id, result(ldapv3.ApplicationBindResponse, code, diagnostic)))
		case ldapv3.ApplicationUnbindRequest:
			return
		case ldapv3.ApplicationSearchRequest:
			f.search(id, op, p.Children[2:], send)
		}
	}
}

func message(id int64, op *ber.Packet, controls ...*ber.Packet) *ber.Packet {
	p := ber.Encode(ber.ClassUniversal, ber.TypeConstructed, ber.TagSequence, nil, "")
	p.AppendChild(ber.NewInteger(ber.ClassUniversal, ber.TypePrimitive, ber.TagInteger, id, ""))
	p.AppendChild(op)
	if len(controls) > 0 {
		list := ber.Encode(ber.ClassContext, ber.TypeConstructed, 0, nil, "")
		for _, c := range controls {
			list.AppendChild(c)
		}
		p.AppendChild(list)
	}
	return p
}

func octets(s string) *ber.Packet {
	return ber.NewString(ber.ClassUniversal, ber.TypePrimitive, ber.TagOctetString, s, "")
}

func result(tag ber.Tag, code uint16, diagnostic string) *ber.Packet {
	p := ber.Encode(ber.ClassApplication, ber.TypeConstructed, tag, nil, "")
	p.AppendChild(ber.NewInteger(ber.ClassUniversal, ber.TypePrimitive, ber.TagEnumerated, int64(code), ""))
	p.AppendChild(octets(""))
	p.AppendChild(octets(diagnostic))
	return p
}

func control(oid string, value *ber.Packet) *ber.Packet {
	p := ber.Encode(ber.ClassUniversal, ber.TypeConstructed, ber.TagSequence, nil, "")
	p.AppendChild(octets(oid))
	p.AppendChild(octets(string(value.Bytes())))
	return p
}

// search answers one search request.
func (f *fakeAD) search(id int64, op *ber.Packet, controls []*ber.Packet, send func(*ber.Packet)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	var asked struct {
		showDeleted, notify, dirSync, paged bool
		cookie                              uint64
		hasCookie                           bool
		size                                int64
	}
	if len(controls) > 0 {
		for _, c := range controls[0].Children {
			var seq *ber.Packet
			if last := c.Children[len(c.Children)-1]; len(c.Children) > 1 && last.Tag == ber.TagOctetString {
				seq, _ = ber.DecodePacketErr(last.Data.Bytes())
			}
			cookie := func(b []byte) {
				if len(b) == 8 {
					asked.cookie, asked.hasCookie = binary.BigEndian.Uint64(b), true
				}
			}
			switch c.Children[0].Value.(string) {
			case ldapv3.ControlTypeMicrosoftShowDeleted:
				asked.showDeleted = true
			case ldapv3.ControlTypeMicrosoftNotification:
				asked.notify = true
			case ldapv3.ControlTypePaging:
				asked.paged, asked.size = true, seq.Children[0].Value.(int64)
				cookie(seq.Children[1].Data.Bytes())
			case ldapv3.ControlTypeDirSync:
				asked.dirSync = true
				cookie(seq.Children[2].Data.Bytes())
			}
		}
	}
	done := func(code uint16, diagnostic string, controls ...*ber.Packet) {
		send(message(id, result(ldapv3.ApplicationSearchResultDone, code, diagnostic), controls...))
	}
	dn, scope := op.Children[0].Value.(string), op.Children[1].Value.(int64)
	var wanted []string
	for _, a := range op.Children[7].Children {
		wanted = append(wanted, a.Value.(string))
	}
	if dn == "" && scope == ldapv3.ScopeBaseObject {
		send(message(id, f.entry(f.rootEntry(), nil)))
		done(0, "")
		return
	}
	if asked.notify {
		w := make(chan struct{}, 100)
		f.watchers = append(f.watchers, w)
		go func() {
			for range w {
				send(message(id, f.entry(&adEntry{dn: adRoot, guid: strings.Repeat("x", 16)}, []string{"objectGUID"})))
			}
		}()
		return
	}
	f.searches++
	if len(f.fail) > 0 {
		code := f.fail[0]
		f.fail = f.fail[1:]
		if code != 0 {
			done(code, "as the test wants it")
			return
		}
	}
	if _, ok := f.entries[strings.ToLower(dn)]; !ok && !strings.HasPrefix(dn, "CN=NTDS") {
		done(ldapv3.LDAPResultNoSuchObject, "0000208D: NameErr")
		return
	}
	if asked.dirSync {
		f.dirSync(id, op.Children[6], wanted, asked.cookie, asked.hasCookie, dn, send, done)
		return
	}
	var found []*adEntry
	if strings.HasPrefix(dn, "CN=NTDS") {
		found = append(found, &adEntry{dn: dn, attributes: map[string][]string{"invocationId": {strings.Repeat("\x00", 15) + string([]byte{f.invocation})}}})
	}
	for _, e := range f.entries {
		if e.deleted && (!asked.showDeleted || f.noDeleted) {
			continue
		}
		if in(e.dn, dn, scope) && f.matches(e, op.Children[6]) {
			found = append(found, e)
		}
	}
	slices.SortFunc(found, func(a, b *adEntry) int { return strings.Compare(a.guid, b.guid) })
	var answer []*ber.Packet
	if asked.paged {
		from := min(int(asked.cookie), len(found))
		to := min(from+int(asked.size), len(found))
		next := ""
		if to < len(found) {
			next = string(binary.BigEndian.AppendUint64(nil, uint64(to)))
		}
		found = found[from:to]
		value := ber.Encode(ber.ClassUniversal, ber.TypeConstructed, ber.TagSequence, nil, "")
		value.AppendChild(ber.NewInteger(ber.ClassUniversal, ber.TypePrimitive, ber.TagInteger, 0, ""))
		value.AppendChild(octets(next))
		answer = append(answer, control(ldapv3.ControlTypePaging, value))
	}
	for _, e := range found {
		send(message(id, f.entry(e, wanted)))
	}
	// References to other servers come with every search of the whole domain.
	ref := ber.Encode(ber.ClassApplication, ber.TypeConstructed, ldapv3.ApplicationSearchResultReference, nil, "")
	ref.AppendChild(octets("ldap://DomainDnsZones.corp.example/DC=DomainDnsZones," + adRoot))
	send(message(id, ref))
	done(0, "", answer...)
}

func (f *fakeAD) rootEntry() *adEntry {
	return &adEntry{attributes: map[string][]string{
		"supportedCapabilities": {oidActiveDirectory}, "namingContexts": {adRoot, "CN=Configuration," + adRoot}, "defaultNamingContext": {adRoot},
		"dsServiceName": {"CN=NTDS Settings,CN=DC1"}, "highestCommittedUSN": {strconv.FormatUint(f.usn, 10)},
		"supportedControl": {ldapv3.ControlTypePaging, ldapv3.ControlTypeDirSync, ldapv3.ControlTypeMicrosoftShowDeleted, ldapv3.ControlTypeMicrosoftNotification},
	}}
}

// dirSync answers with what has changed since the cookie, a few at a time. With
// a cookie, only the attributes that changed are there; the fake gives none but
// the GUID and what tells deleted ones.
func (f *fakeAD) dirSync(id int64, filter *ber.Packet, wanted []string, since uint64, hasCookie bool, dn string, send func(*ber.Packet), done func(uint16, string, ...*ber.Packet)) {
	switch {
	case f.noDirSync:
		done(ldapv3.LDAPResultInsufficientAccessRights, "00002105: SecErr")
		return
	case dn != adRoot:
		done(ldapv3.LDAPResultUnwillingToPerform, "DirSync wants the root of a naming context")
		return
	case hasCookie && f.badCookie:
		done(ldapv3.LDAPResultProtocolError, "00000057: LdapErr")
		return
	}
	var found []*adEntry
	for _, e := range f.entries {
		if e.usn > since && f.matches(e, filter) && (hasCookie || !e.deleted) {
			found = append(found, e)
		}
	}
	slices.SortFunc(found, func(a, b *adEntry) int { return int(a.usn) - int(b.usn) })
	more, next := int64(0), f.usn
	if len(found) > f.dirSyncSize {
		found, more = found[:f.dirSyncSize], 1
		next = found[len(found)-1].usn
	}
	for _, e := range found {
		send(message(id, f.entry(e, []string{"objectGUID", "isDeleted", "isRecycled"})))
	}
	value := ber.Encode(ber.ClassUniversal, ber.TypeConstructed, ber.TagSequence, nil, "")
	value.AppendChild(ber.NewInteger(ber.ClassUniversal, ber.TypePrimitive, ber.TagInteger, more, ""))
	value.AppendChild(ber.NewInteger(ber.ClassUniversal, ber.TypePrimitive, ber.TagInteger, 0, ""))
	value.AppendChild(octets(string(binary.BigEndian.AppendUint64(nil, next))))
	done(0, "", control(ldapv3.ControlTypeDirSync, value))
}

// values returns an attribute of an entry, constructed ones too.
func (e *adEntry) values(name string) []string {
	switch strings.ToLower(name) {
	case "objectguid":
		return []string{e.guid}
	case "usnchanged":
		return []string{strconv.FormatUint(e.usn, 10)}
	case "distinguishedname":
		return []string{e.dn}
	}
	for n, v := range e.attributes {
		if strings.EqualFold(n, name) {
			return v
		}
	}
	return nil
}

// entry encodes an entry with the wanted attributes; long ones in ranges.
func (f *fakeAD) entry(e *adEntry, wanted []string) *ber.Packet {
	p := ber.Encode(ber.ClassApplication, ber.TypeConstructed, ldapv3.ApplicationSearchResultEntry, nil, "")
	p.AppendChild(octets(e.dn))
	list := ber.Encode(ber.ClassUniversal, ber.TypeConstructed, ber.TagSequence, nil, "")
	give := func(name string, values []string) {
		a := ber.Encode(ber.ClassUniversal, ber.TypeConstructed, ber.TagSequence, nil, "")
		a.AppendChild(octets(name))
		set := ber.Encode(ber.ClassUniversal, ber.TypeConstructed, ber.TagSet, nil, "")
		for _, v := range values {
			set.AppendChild(octets(v))
		}
		a.AppendChild(set)
		list.AppendChild(a)
	}
	names := slices.Clone(wanted)
	if len(wanted) == 0 || slices.Contains(wanted, "*") {
		for name := range e.attributes {
			names = append(names, name)
		}
		if e.guid != "" {
			names = append(names, "objectGUID", "uSNChanged")
		}
	}
	slices.Sort(names)
	given := map[string]bool{}
	for _, name := range names {
		name, option, ranged := strings.Cut(name, ";range=")
		values := e.values(name)
		if len(values) == 0 || given[strings.ToLower(name)] {
			continue
		}
		given[strings.ToLower(name)] = true
		from := 0
		if ranged {
			first, _, _ := strings.Cut(option, "-")
			from, _ = strconv.Atoi(first)
		}
		if !ranged && len(values) <= f.rangeSize || e.dn == "" {
			give(name, values)
			continue
		}
		if !ranged {
			give(name, nil)
		}
		if from >= len(values) {
			continue
		}
		to, end := from+f.rangeSize, ""
		if to >= len(values) {
			to, end = len(values), "*"
		} else {
			end = strconv.Itoa(to - 1)
		}
		give(fmt.Sprintf("%s;range=%d-%s", name, from, end), values[from:to])
	}
	p.AppendChild(list)
	return p
}

// matches evaluates a filter (RFC 4511 section 4.5.1).
func (f *fakeAD) matches(e *adEntry, p *ber.Packet) bool {
	switch p.Tag {
	case ldapv3.FilterAnd:
		return !slices.ContainsFunc(p.Children, func(c *ber.Packet) bool { return !f.matches(e, c) })
	case ldapv3.FilterOr:
		return slices.ContainsFunc(p.Children, func(c *ber.Packet) bool { return f.matches(e, c) })
	case ldapv3.FilterNot:
		return !f.matches(e, p.Children[0])
	case ldapv3.FilterPresent:
		return strings.EqualFold(p.Data.String(), "objectClass") || len(e.values(p.Data.String())) > 0
	case ldapv3.FilterGreaterOrEqual:
		want, _ := strconv.ParseUint(p.Children[1].Data.String(), 10, 64)
		return e.usn >= want && strings.EqualFold(p.Children[0].Data.String(), "uSNChanged")
	case ldapv3.FilterEqualityMatch:
		name, want := p.Children[0].Data.Bytes(), p.Children[1].Data.String()
		if bytes.EqualFold(name, []byte("objectCategory")) {
			return want == "person" && len(e.values("objectCategory")) > 0 && strings.HasPrefix(e.values("objectCategory")[0], "CN=Person")
		}
		return slices.ContainsFunc(e.values(string(name)), func(v string) bool { return strings.EqualFold(v, want) })
	}
	return false
}

func in(dn, base string, scope int64) bool {
	dn, base = strings.ToLower(dn), strings.ToLower(base)
	if scope == ldapv3.ScopeBaseObject {
		return dn == base
	}
	return dn == base || strings.HasSuffix(dn, ","+base)
}
