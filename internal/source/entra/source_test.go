package entra_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"lockstep/internal/graph"
	"lockstep/internal/graph/graphtest"
	"lockstep/internal/provision"
	"lockstep/internal/secret"
	"lockstep/internal/source/entra"
)

func TestLookup(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := graphtest.New()
		kim, ines, twin, sales := graphtest.ID(1, 0), graphtest.ID(1, 1), graphtest.ID(1, 2), graphtest.ID(2, 0)
		g.PutUser(kim, map[string]any{"displayName": "Kim", "userPrincipalName": "kim_li_partner.example#EXT#@acme.example"})
		g.PutUser(ines, map[string]any{"displayName": "Ines", "userPrincipalName": "ines@acme.example", "mail": "ines.o'brien@acme.example", "mobilePhone": "1"})
		g.PutUser(twin, map[string]any{"userPrincipalName": "$twin@acme.example", "mail": "both@acme.example"})
		g.PutUser(graphtest.ID(1, 3), map[string]any{"userPrincipalName": "twin2@acme.example", "mail": "both@acme.example"})
		g.PutGroup(sales, map[string]any{"displayName": "Sales & more", "mail": "sales@acme.example"})
		g.SetManager(ines, kim)
		g.AddMember(sales, ines)
		s := newSource(t, g, entra.Options{UserAttributes: []string{"manager", "mobile"}})
		for ref, want := range map[string]string{
			ines: ines, strings.ToUpper(ines): ines, "ines@acme.example": ines, " INES@acme.example ": ines, "ines.o'brien@acme.example": ines,
			"kim_li@partner.example": kim, "kim_li_partner.example#EXT#@acme.example": kim, sales: sales, "Sales & more": sales, "sales@acme.example": sales,
			"nobody@acme.example": "", "both@acme.example": "", graphtest.ID(9, 9): "", "": "", "a/b": "", "%": "", "x@/y": "", "nobody' or 1 eq 1": "",
		} {
			o, err := s.Lookup(t.Context(), ref)
			if err != nil {
				t.Errorf("%q: %v", ref, err)
				continue
			}
			got := ""
			if o != nil {
				got = o.ID
			}
			if got != want {
				t.Errorf("%q: got %q, want %q", ref, got, want)
			}
		}
		// It looks the same as a delta tells it.
		c := newCopy()
		if err := c.once(t.Context(), s, 0); err != nil {
			t.Fatal(err)
		}
		for _, id := range []string{ines, kim} {
			o, err := s.Lookup(t.Context(), id)
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(shown(c.objects[provision.User][id]), shown(o)); d != "" {
				t.Error(d)
			}
		}
		if o, err := s.Lookup(t.Context(), sales); err != nil || !slices.Equal(o.Members, []string{ines}) {
			t.Errorf("members: %v, %v", o, err)
		}
	})
}

func TestAssignments(t *testing.T) {
	t.Parallel()
	g := graphtest.New()
	g.PageSize = 2
	g.PutServicePrincipal(&graph.ServicePrincipal{ID: "sp", DisplayName: "Freshservice", AppRoles: []graph.AppRole{
		{ID: "r1", Value: "Agent", DisplayName: "An agent"}, {ID: "r2", DisplayName: "msiam_access"},
	}})
	for _, a := range []graph.AppRoleAssignment{
		{PrincipalID: "u2", PrincipalType: graph.PrincipalUser, AppRoleID: graph.DefaultAccess},
		{PrincipalID: "u1", PrincipalType: graph.PrincipalUser, AppRoleID: "R1"},
		{PrincipalID: "u1", PrincipalType: graph.PrincipalUser, AppRoleID: "r2"},
		{PrincipalID: "g1", PrincipalType: graph.PrincipalGroup, AppRoleID: "r2"},
		{PrincipalID: "s1", PrincipalType: graph.PrincipalServicePrincipal, AppRoleID: "r2"},
	} {
		g.Assign("sp", a)
	}
	s := newSource(t, g, entra.Options{})
	got, err := s.Assignments(t.Context(), "sp")
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff([]provision.Assignment{
		{PrincipalType: provision.Group, PrincipalID: "g1", Role: "msiam_access"},
		{PrincipalType: provision.User, PrincipalID: "u1", Role: "Agent"},
		{PrincipalType: provision.User, PrincipalID: "u1", Role: "msiam_access"},
		{PrincipalType: provision.User, PrincipalID: "u2"},
	}, got); d != "" {
		t.Error(d)
	}
	if _, err := s.Assignments(t.Context(), "nothing"); !graph.IsNotFound(err) {
		t.Errorf("an unknown app: %v", err)
	}
}

func TestCheckNamesWhatIsMissing(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		denied []string
		groups entra.GroupScope
		want   []string
	}{
		{name: "everything granted"},
		{name: "nothing", denied: []string{"User.Read.All", "Group.Read.All", "GroupMember.Read.All", "Application.Read.All", "Directory.Read.All"}, want: []string{"User.Read.All", "Group.Read.All", "Application.Read.All"}},
		{name: "groups are not needed", groups: entra.GroupsNone, denied: []string{"Group.Read.All", "GroupMember.Read.All", "Directory.Read.All"}},
		{name: "a wider permission will do", denied: []string{"User.Read.All", "Group.Read.All", "Application.Read.All"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			g := tenant(1)
			g.Deny(c.denied...)
			err := newSource(t, g, entra.Options{Groups: c.groups}).Check(t.Context())
			var pe *entra.PermissionError
			if errors.As(err, &pe) != (len(c.want) > 0) || len(c.want) == 0 && err != nil {
				t.Fatal(err)
			}
			for i, name := range c.want {
				if !strings.HasPrefix(pe.Missing[i], name) || !strings.Contains(err.Error(), name) {
					t.Errorf("want %s named: %v", name, err)
				}
			}
		})
	}
	t.Run("reading tells it too", func(t *testing.T) {
		t.Parallel()
		g := tenant(1)
		g.Deny("User.Read.All", "Directory.Read.All")
		err := newCopy().once(t.Context(), newSource(t, g, entra.Options{}), 0)
		if !graph.IsForbidden(err) || !strings.Contains(err.Error(), "User.Read.All") {
			t.Error(err)
		}
	})
	t.Run("wrong secret", func(t *testing.T) {
		t.Parallel()
		g := tenant(1)
		client, err := entra.Config{TenantID: g.Tenant, ClientID: g.ClientID, LoginURL: base, GraphURL: base}.Client(secret.NewText("wr0ng"), g.Transport(), nil)
		if err != nil {
			t.Fatal(err)
		}
		s, err := entra.New(entra.Options{Graph: client})
		if err != nil {
			t.Fatal(err)
		}
		var ae *graph.AuthenticationError
		if err := s.Check(t.Context()); !errors.As(err, &ae) || strings.Contains(err.Error(), "wr0ng") {
			t.Error(err)
		}
	})
}

func TestConfigErrors(t *testing.T) {
	t.Parallel()
	for _, c := range []entra.Config{
		{}, {TenantID: "t"}, {TenantID: "t/../x", ClientID: "c"}, {TenantID: "t", ClientID: "c", Cloud: "mars"},
		{TenantID: "t", ClientID: "c", GraphURL: "http://graph.example"}, {TenantID: "t", ClientID: "c", LoginURL: "http://login.example"},
	} {
		if _, err := c.Client(secret.NewText("x"), nil, nil); err == nil {
			t.Errorf("%+v was taken", c)
		}
	}
	if _, err := (entra.Config{TenantID: "t", ClientID: "c"}).Client(secret.Text{}, nil, nil); err == nil {
		t.Error("no secret was taken")
	}
	if _, err := (entra.Config{TenantID: "t", ClientID: "c"}).Client(secret.NewText("-----BEGIN CERTIFICATE-----\n"), nil, nil); err == nil {
		t.Error("a broken certificate was taken")
	}
}

func TestDescribe(t *testing.T) {
	t.Parallel()
	s := newSource(t, graphtest.New(), entra.Options{UserAttributes: []string{"extension_0123456789abcdef0123456789abcdef_x"}})
	d, err := s.Describe(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	attributes := map[string]*provision.AttributeDefinition{}
	for _, a := range d.Objects[0].Attributes {
		attributes[a.Name] = a
	}
	for name, typ := range map[string]provision.AttributeDataType{
		"objectId": provision.DataString, "mobile": provision.DataString, "mobilePhone": provision.DataString, "accountEnabled": provision.DataBoolean,
		"manager": provision.DataReference, "extensionAttribute15": provision.DataString, "telephoneNumber": provision.DataString,
		"originalUserPrincipalName": provision.DataString, "employeeHireDate": provision.DataDateTime, "extension_0123456789abcdef0123456789abcdef_x": provision.DataString,
	} {
		if a := attributes[name]; a == nil || a.Type != typ {
			t.Errorf("%s: %+v", name, a)
		}
	}
	if !attributes["objectId"].Anchor || attributes["telephoneNumber"].Multivalued || !attributes["businessPhones"].Multivalued || attributes["id"] != nil {
		t.Error("anchor or multivalued attributes are wrong")
	}
	// Everything that is described can be selected.
	var names []string
	for name := range attributes {
		names = append(names, name)
	}
	g := tenant(1)
	all := newSource(t, g, entra.Options{UserAttributes: names})
	if u := all.Unknown(); len(u) != 0 {
		t.Errorf("described and unknown: %v", u)
	}
	if err := newCopy().once(t.Context(), all, 0); err != nil {
		t.Error(err)
	}
}

func TestNotifications(t *testing.T) {
	t.Parallel()
	woken := 0
	n := &entra.Notifications{ClientState: secret.NewText("st4te"), Wake: func() { woken++ }}
	for _, c := range []struct {
		name, method, target, body string
		status, woken              int
		answer                     string
	}{
		{"validation", "POST", "/?validationToken=" + url.QueryEscape("Validation: <b>&é"), "", 200, 0, "Validation: <b>&é"},
		{"empty validation", "POST", "/?validationToken=", "", 400, 0, ""},
		{"long validation", "POST", "/?validationToken=" + strings.Repeat("x", 5000), "", 400, 0, ""},
		{"changes", "POST", "/", `{"value":[{"subscriptionId":"1","clientState":"st4te","changeType":"updated","resource":"Users/x","resourceData":{"@odata.type":"#Microsoft.Graph.User","@odata.id":"Users/x","id":"x"},"tenantId":"t"},{"clientState":"st4te"}]}`, 202, 1, ""},
		{"lifecycle", "POST", "/", `{"value":[{"clientState":"st4te","lifecycleEvent":"missed"}]}`, 202, 1, ""},
		{"wrong state", "POST", "/", `{"value":[{"clientState":"st4t"},{}]}`, 202, 0, ""},
		{"no JSON", "POST", "/", `{`, 400, 0, ""},
		{"GET", "GET", "/", ``, 405, 0, ""},
		{"too long", "POST", "/", `{"value":[{"clientState":"` + strings.Repeat("x", 5<<20) + `"}]}`, 400, 0, ""},
	} {
		woken = 0
		w := httptest.NewRecorder()
		n.ServeHTTP(w, httptest.NewRequest(c.method, c.target, strings.NewReader(c.body)))
		if w.Code != c.status || woken != c.woken || c.answer != "" && w.Body.String() != c.answer {
			t.Errorf("%s: %d, woken %d times, %q", c.name, w.Code, woken, w.Body)
		}
		if c.name == "validation" && !strings.HasPrefix(w.Header().Get("Content-Type"), "text/plain") {
			t.Errorf("a validation token is answered as %s", w.Header().Get("Content-Type"))
		}
	}
	open := &entra.Notifications{Wake: func() { t.Error("woken without a client state") }}
	open.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodPost, "/", strings.NewReader(`{"value":[{"clientState":""}]}`)))
}

func FuzzNotifications(f *testing.F) {
	f.Add("validationToken=x", `{"value":[{"clientState":"st4te"}]}`)
	f.Add("", `{"value":[{"resourceData":{"id":7}}]}`)
	f.Fuzz(func(t *testing.T, query, body string) {
		n := &entra.Notifications{ClientState: secret.NewText("st4te"), Wake: func() {
			if !strings.Contains(body, "st4te") && !strings.Contains(body, `\u`) {
				t.Error("woken without the client state")
			}
		}}
		r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(body))
		r.URL.RawQuery = query
		n.ServeHTTP(httptest.NewRecorder(), r)
	})
}

func TestSubscriptions(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const hook = "https://lockstep.acme.example/notifications/1"
		g := tenant(1)
		s := newSource(t, g, entra.Options{})
		again, err := s.Subscribe(t.Context(), hook, secret.NewText("st4te"))
		if err != nil {
			t.Fatal(err)
		}
		if d := time.Until(again); d < 10*24*time.Hour || d > 20*24*time.Hour {
			t.Errorf("again in %s", d)
		}
		first := g.Subscriptions()
		if len(first) != 2 {
			t.Fatalf("%+v", first)
		}
		for _, x := range first {
			if x.ClientState != "st4te" || x.ChangeType != "updated,deleted" || x.LifecycleNotificationURL != hook {
				t.Errorf("%+v", x)
			}
		}
		time.Sleep(time.Until(again))
		if _, err := s.Subscribe(t.Context(), hook, secret.NewText("st4te")); err != nil {
			t.Fatal(err)
		}
		second := g.Subscriptions()
		if len(second) != 2 {
			t.Errorf("%d subscriptions after the renewal", len(second))
		}
		for id, x := range second {
			if !x.ExpirationDateTime.After(first[id].ExpirationDateTime) {
				t.Error("not renewed")
			}
		}
		if err := s.Unsubscribe(t.Context(), hook); err != nil || len(g.Subscriptions()) != 0 {
			t.Errorf("%d left, %v", len(g.Subscriptions()), err)
		}
		for _, bad := range []string{"http://lockstep.acme.example", "https://", ":"} {
			if _, err := s.Subscribe(t.Context(), bad, secret.NewText("st4te")); err == nil {
				t.Errorf("%s was taken", bad)
			}
		}
	})
}
