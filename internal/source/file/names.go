package file

import (
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"lockstep/internal/expression"
)

// multiValued are the attributes whose cells may hold a JSON array.
var multiValued = map[string]bool{
	"proxyAddresses": true, "otherMails": true, "alternateEmailAddress": true, "businessPhones": true, "imAddresses": true,
}

// listOrText returns the elements of a JSON array of strings as a list, and any
// other text as it is.
func listOrText(s string) expression.Value {
	t := strings.TrimSpace(s)
	if !strings.HasPrefix(t, "[") || !strings.HasSuffix(t, "]") {
		return expression.Text(s)
	}
	dec := jsontext.NewDecoder(strings.NewReader(t))
	if _, err := dec.ReadToken(); err != nil {
		return expression.Text(s)
	}
	var list []string
	for dec.PeekKind() == '"' {
		tok, err := dec.ReadToken()
		if err != nil {
			return expression.Text(s)
		}
		list = append(list, tok.String())
	}
	if tok, err := dec.ReadToken(); err != nil || tok.Kind() != ']' {
		return expression.Text(s)
	}
	return expression.List(list)
}
