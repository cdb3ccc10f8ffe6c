package freshservice_test

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"lockstep/internal/freshservice"
	"lockstep/internal/freshservice/desk"
	"lockstep/internal/scim"
)

func parse(id string) (int64, error) { return strconv.ParseInt(id, 10, 64) }

// Whatever clients do, and whatever fails on the way: once all is quiet, desk
// and bridge agree about everybody, nobody exists twice, and nobody is lost.
func TestHistoriesLeaveDeskAndBridgeInAgreement(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		a := open(t, setup{
			desk:     desk.Options{Seed: company(), AgentNames: true},
			settings: freshservice.Settings{UnknownDepartments: freshservice.CreateName},
			client:   freshservice.ClientOptions{MaxTries: 5},
		}).warm()
		defer a.Close()
		if rapid.Bool().Draw(rt, "faults") {
			if err := a.desk.SetFaults(
				desk.Fault{Kind: "500", Probability: 0.1, Seed: rapid.Uint64().Draw(rt, "seed")},
				desk.Fault{Kind: "drop-connection", Probability: 0.1, Seed: rapid.Uint64().Draw(rt, "seed2")},
			); err != nil {
				rt.Fatal(err)
			}
		}
		address := func(i int) string { return fmt.Sprintf("p%d@acme.example", i) }
		ids := map[int]string{} // by person, while the client sees one
		person := rapid.IntRange(0, 4)
		for range rapid.IntRange(1, 25).Draw(rt, "steps") {
			i := person.Draw(rt, "person")
			id, known := ids[i]
			switch step := rapid.SampledFrom([]string{"create", "title", "department", "agent", "active", "manager", "zone", "delete", "refresh"}).Draw(rt, "step"); {
			case step == "refresh":
				a.Refresh(t.Context())
			case step == "create":
				r, err := a.Create(t.Context(), user(t, fmt.Sprintf(`{"userName":%q,"name":{"givenName":"P","familyName":"%d"}}`, address(i), i)))
				if err == nil && known {
					rt.Fatalf("%s was created twice", address(i))
				}
				if err == nil {
					ids[i] = r.ID
				} else if known && !scim.IsType(err, scim.Uniqueness) && !passing(err) {
					rt.Fatalf("creating again: %v", err)
				}
			case !known:
			case step == "delete":
				if err := a.Delete(t.Context(), users, id, scim.Precondition{}); err == nil {
					delete(ids, i)
				} else if !passing(err) {
					rt.Fatal(err)
				}
			default:
				var value scim.Value
				path := map[string]string{"title": "title", "zone": "timezone", "active": "active"}[step]
				switch step {
				case "active":
					value = rapid.Bool().Draw(rt, "active")
				case "agent":
					value = rapid.Bool().Draw(rt, "agent")
				case "zone":
					value = rapid.SampledFrom([]string{"Europe/Berlin", "Mars", "Tokyo"}).Draw(rt, "zone")
				case "manager":
					value = scim.NewObject("value", address(person.Draw(rt, "manager")))
				default:
					value = rapid.SampledFrom([]string{"", "A", "B"}).Draw(rt, step)
				}
				_, err := a.Update(t.Context(), users, id, scim.Precondition{}, func(r *scim.Resource) error {
					o := r.Attributes()
					switch step {
					case "agent":
						o.Set(scim.URNFreshservice, scim.NewObject("isAgent", value))
					case "manager", "department":
						e := o.Child(scim.URNEnterprise)
						if e == nil {
							e = &scim.Object{}
							o.Set(scim.URNEnterprise, e)
						}
						e.Set(step, value)
					default:
						o.Set(path, value)
					}
					return nil
				})
				if err != nil && !passing(err) {
					rt.Fatalf("%s: %v (%v)", step, err, scim.AsError(err).Err)
				}
			}
		}
		if err := a.desk.SetFaults(); err != nil {
			rt.Fatal(err)
		}
		a.Settle()
		for i := range 5 {
			agree(rt, a, ids[i], address(i))
		}
	})
}

// passing reports whether an error is one of the staged faults.
func passing(err error) bool {
	return scim.IsType(err, scim.Unavailable) || scim.IsType(err, scim.GatewayTimeout)
}

func agree(rt *rapid.T, a *account, id, address string) {
	var holders []desk.Person
	for p := range a.desk.People() {
		if strings.EqualFold(p.PrimaryEmail, address) || slices.Contains(p.SecondaryEmails, address) {
			holders = append(holders, p)
		}
	}
	if len(holders) > 1 {
		rt.Fatalf("%s exists %d times", address, len(holders))
	}
	if id == "" {
		return
	}
	if len(holders) == 0 {
		rt.Fatalf("%s is lost", address)
	}
	p := &holders[0]
	// A repetition of what the client last wrote settles what a fault left undone.
	r, err := a.Update(a.t.Context(), users, id, scim.Precondition{}, func(r *scim.Resource) error {
		r.Attributes().Set("title", "settled")
		return nil
	})
	if err != nil {
		rt.Fatalf("settling %s: %v (%v)", address, err, scim.AsError(err).Err)
	}
	now, _ := a.desk.Person(p.ID)
	p = &now
	o := r.Peek()
	if jsonID(p.ID) != id {
		rt.Fatalf("%s has id %d in Freshservice, %s over SCIM", address, p.ID, id)
	}
	if active, _ := o.Get("active"); active == p.Inactive {
		rt.Errorf("%s: active over SCIM %v, inactive in Freshservice %v", address, active, p.Inactive)
	}
	if p.Inactive {
		return // the rest is sent when the person comes back
	}
	if v, ok := o.Child(scim.URNFreshservice).Get("isAgent"); ok && v != p.IsAgent() {
		rt.Errorf("%s: isAgent %v, Freshservice says %v", address, v, p.IsAgent())
	}
	if p.JobTitle != "settled" {
		rt.Errorf("%s: title %q", address, p.JobTitle)
	}
	if zone, ok := freshservice.TimeZone(o.Text("timezone")); ok && zone != p.TimeZone {
		rt.Errorf("%s: time zone %q, Freshservice has %q", address, o.Text("timezone"), p.TimeZone)
	}
	enterprise := o.Child(scim.URNEnterprise)
	if (enterprise.Text("department") != "") != (len(p.DepartmentIDs) > 0) {
		rt.Errorf("%s: department %q, Freshservice has %v", address, enterprise.Text("department"), p.DepartmentIDs)
	}
	if manager := enterprise.Child("manager").Text("value"); manager != "" {
		rec, err := a.mirror.RecordByUserName(a.t.Context(), manager)
		if err != nil {
			rt.Fatal(err)
		}
		if rec != nil && rec.Resource.ID != jsonID(p.ReportingManagerID) {
			rt.Errorf("%s: manager %s is %s, Freshservice has %d", address, manager, rec.Resource.ID, p.ReportingManagerID)
		}
	}
}
