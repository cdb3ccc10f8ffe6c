package attribute

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"strings"
)

// secretLDAP are attributes that hold passwords. They are never kept.
var secretLDAP = map[string]bool{
	"userpassword": true, "unicodepwd": true, "sambantpassword": true, "sambalmpassword": true,
	"krbprincipalkey": true, "ntpwdhistory": true, "lmpwdhistory": true, "pwdhistory": true, "supplementalcredentials": true,
	"ms-mcs-admpwd": true, "mslaps-password": true, "authpassword": true,
}

// IsSecret reports whether an LDAP attribute, named in lower case, holds a
// password.
func IsSecret(name string) bool { return secretLDAP[name] }

// binaryLDAP are attributes whose values are no text.
var binaryLDAP = map[string]bool{
	"jpegphoto": true, "photo": true, "thumbnailphoto": true, "audio": true, "usercertificate": true,
	"usersmimecertificate": true, "userpkcs12": true, "cacertificate": true, "msexchmailboxguid": true, "ntsecuritydescriptor": true,
}

// GUIDText returns objectGUID as Active Directory's tools show it: the first
// three parts of the 16 bytes are little-endian (MS-DTYP section 2.3.4).
func GUIDText(b string) (string, bool) {
	if len(b) != 16 {
		return "", false
	}
	g := swapGUID([]byte(b))
	return fmt.Sprintf("%x-%x-%x-%x-%x", g[0:4], g[4:6], g[6:8], g[8:10], g[10:16]), true
}

// ParseGUID is the inverse of [GUIDText]. It takes the text in either case and
// in braces too.
func ParseGUID(s string) (b string, ok bool) {
	if len(s) == 38 && s[0] == '{' && s[37] == '}' {
		s = s[1:37]
	}
	if len(s) != 36 || s[8] != '-' || s[13] != '-' || s[18] != '-' || s[23] != '-' {
		return "", false
	}
	g, err := hex.DecodeString(strings.ReplaceAll(s, "-", ""))
	if err != nil || len(g) != 16 {
		return "", false
	}
	return string(swapGUID(g)), true
}

func swapGUID(g []byte) []byte {
	s := append([]byte(nil), g...)
	binary.BigEndian.PutUint32(s[0:], binary.LittleEndian.Uint32(g[0:]))
	binary.BigEndian.PutUint16(s[4:], binary.LittleEndian.Uint16(g[4:]))
	binary.BigEndian.PutUint16(s[6:], binary.LittleEndian.Uint16(g[6:]))
	return s
}

// SIDText returns objectSid in its string form, S-1-… (MS-DTYP section 2.4.2).
func SIDText(b string) (string, bool) {
	if len(b) < 8 || b[0] != 1 || len(b) != 8+4*int(b[1]) {
		return "", false
	}
	var authority uint64
	for i := 2; i < 8; i++ {
		authority = authority<<8 | uint64(b[i])
	}
	var s strings.Builder
	fmt.Fprintf(&s, "S-1-%d", authority)
	for i := 8; i < len(b); i += 4 {
		fmt.Fprintf(&s, "-%d", binary.LittleEndian.Uint32([]byte(b[i:i+4])))
	}
	return s.String(), true
}
