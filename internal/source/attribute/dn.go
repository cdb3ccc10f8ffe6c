package attribute

import (
	"strings"

	"github.com/go-ldap/ldap/v3"
)

// NormalDN returns the form in which two distinguished names are equal exactly
// when they name the same entry as far as can be told without the directory's
// schema: lower case, no insignificant spaces, one way of escaping (RFC 4514,
// matched as caseIgnoreMatch of RFC 4517 section 4.2.11). ok is false for text
// that is no distinguished name.
func NormalDN(s string) (dn string, ok bool) {
	if !strings.Contains(s, "=") {
		return "", false
	}
	if plainDN(s) {
		return strings.ToLower(s), true
	}
	parsed, err := ldap.ParseDN(s)
	if err != nil || len(parsed.RDNs) == 0 {
		return "", false
	}
	for _, rdn := range parsed.RDNs {
		for _, a := range rdn.Attributes {
			a.Value = strings.ToLower(strings.Join(strings.Fields(a.Value), " "))
		}
	}
	return parsed.String(), true
}

// plainDN reports whether s is in normal form but for letter case, as most
// names are: it spares the parser.
func plainDN(s string) bool {
	var prev byte = ','
	equals := false
	for i := range len(s) {
		switch c := s[i]; c {
		case '\\', '"', '+', ';', '<', '>', '#':
			return false
		case ' ':
			if prev == ' ' || prev == ',' || prev == '=' {
				return false
			}
		case ',':
			if !equals || prev == ' ' || prev == ',' || prev == '=' {
				return false
			}
			equals = false
		case '=':
			if equals || prev == ',' || prev == ' ' {
				return false
			}
			equals = true
		default:
			if c < ' ' || c >= 0x7f {
				return false
			}
		}
		prev = s[i]
	}
	return equals && prev != ' ' && prev != '='
}
