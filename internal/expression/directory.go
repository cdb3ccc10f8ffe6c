package expression

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"strconv"
	"strings"
)

// evalSelectUniqueValue looks up one rule after the other and gives the first
// value that nothing in the target has. Rules that give nothing are passed
// over.
func evalSelectUniqueValue(n *Node, s scope) (Value, error) {
	var tried []string
	for i := range n.Args {
		text, _, err := n.textArg(s, i)
		if err != nil {
			return Value{}, err
		}
		if text == "" {
			continue
		}
		if err := s.ctx.Err(); err != nil {
			return Value{}, n.canceled(err)
		}
		taken := false
		if s.env.Taken != nil {
			if taken, err = s.env.Taken(s.ctx, text); err != nil {
				e := n.fail(ErrorLookup, "looking up %s in the target failed: %v", n.quote(text), err)
				e.err = err
				return Value{}, e
			}
		}
		if !taken {
			return Text(text), nil
		}
		tried = append(tried, text)
	}
	if tried == nil {
		e := n.fail(ErrorNoUniqueValue, "no rule gives a value")
		e.Hint = "check that the attributes the rules read are present"
		return Value{}, e
	}
	quoted := make([]string, len(tried))
	for i, t := range tried {
		quoted[i] = n.quote(t)
	}
	e := n.fail(ErrorNoUniqueValue, "every value is in use: %s", strings.Join(quoted, ", "))
	e.Hint = "add a rule whose value differs, for instance by a part of the employee number"
	if n.redact {
		e.Message = "every value is in use"
	} else {
		e.Values = tried
	}
	return Value{}, e
}

// evalRoles passes the list on. What tells the three functions apart is how
// the target is written.
func evalRoles(n *Node, s scope) (Value, error) {
	v, err := n.arg(s, 0)
	if err != nil || v.IsNull() || v.IsList() {
		return v, err
	}
	return listOf(v.elements()), nil
}

func evalSingleRole(n *Node, s scope) (Value, error) {
	v, err := n.arg(s, 0)
	if err != nil {
		return Value{}, err
	}
	elements := v.elements()
	if len(elements) == 0 {
		return Value{}, nil
	}
	role := elements[0]
	if !strings.HasPrefix(strings.TrimSpace(role), "{") {
		return Text(role), nil
	}
	var object struct {
		Value *string `json:"value"`
	}
	switch err := json.Unmarshal([]byte(role), &object); {
	case err != nil:
		return Text(role), nil // a name that happens to begin with a brace
	case object.Value == nil:
		return Value{}, nil
	}
	return Text(*object.Value), nil
}

func evalDefaultDomain(n *Node, s scope) (Value, error) {
	if s.env.DefaultDomain == "" {
		e := n.fail(ErrorValue, "the tenant's default domain is not known")
		e.Hint = "set it in the job's settings, or write the domain as a text"
		return Value{}, e
	}
	return Text(s.env.DefaultDomain), nil
}

// evalDNComponent gives the value of the n-th component, or null if the name
// has fewer.
func evalDNComponent(n *Node, s scope) (Value, error) {
	dn, ok, err := n.textArg(s, 0)
	if err != nil {
		return Value{}, err
	}
	number, err := n.integerArg(s, 1)
	if err != nil || !ok {
		return Value{}, err
	}
	if number < 1 {
		return Value{}, n.fail(ErrorValue, "componentNumber of DNComponent is %d; the first component has number 1", number)
	}
	for rest, more := dn, true; more; number-- {
		var component string
		component, rest, more = cutComponent(rest)
		if number == 1 {
			_, value, found := strings.Cut(component, "=")
			if !found {
				return Value{}, n.fail(ErrorValue, "dn of DNComponent is no distinguished name: %s", n.quote(dn))
			}
			return Text(unescapeDN(value)), nil
		}
	}
	return Value{}, nil
}

// cutComponent cuts a distinguished name at its first comma or semicolon that
// is neither escaped nor quoted (RFC 4514; RFC 2253 for the older forms).
func cutComponent(dn string) (component, rest string, more bool) {
	quoted := false
	for i := 0; i < len(dn); i++ {
		switch dn[i] {
		case '\\':
			i++
		case '"':
			quoted = !quoted
		case ',', ';':
			if !quoted {
				return dn[:i], dn[i+1:], true
			}
		}
	}
	return dn, "", false
}

// unescapeDN removes the escapes and quotation marks of an attribute value.
func unescapeDN(s string) string {
	s = strings.TrimSpace(s)
	if len(s) > 1 && s[0] == '"' && s[len(s)-1] == '"' {
		s = s[1 : len(s)-1]
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+1 < len(s) {
			if i+2 < len(s) && isHexDigit(s[i+1]) && isHexDigit(s[i+2]) {
				c, _ := hex.DecodeString(s[i+1 : i+3])
				b.Write(c)
				i += 2
				continue
			}
			i++
		}
		b.WriteByte(s[i])
	}
	return strings.ToValidUTF8(b.String(), "\uFFFD")
}

// evalStringFromSid writes the bytes of a security identifier (MS-DTYP
// 2.4.2.2) as text. Text that is one already stays.
func evalStringFromSid(n *Node, s scope) (Value, error) {
	text, ok, err := n.textArg(s, 0)
	if err != nil || !ok {
		return Value{}, err
	}
	if strings.HasPrefix(text, "S-1-") {
		return Text(text), nil
	}
	sid, failure := base64.StdEncoding.DecodeString(withoutSpace(text))
	if failure != nil || len(sid) < 8 || len(sid) != 8+4*int(sid[1]) {
		e := n.fail(ErrorValue, "ObjectSID of StringFromSid is no security identifier: %s", n.quote(text))
		e.Hint = "give the Base64 of the identifier's bytes"
		return Value{}, e
	}
	authority := binary.BigEndian.Uint64(sid[:8]) & (1<<48 - 1)
	var out strings.Builder
	out.WriteString("S-" + strconv.Itoa(int(sid[0])) + "-" + strconv.FormatUint(authority, 10))
	for sub := sid[8:]; len(sub) > 0; sub = sub[4:] {
		out.WriteString("-" + strconv.FormatUint(uint64(binary.LittleEndian.Uint32(sub)), 10))
	}
	return Text(out.String()), nil
}
