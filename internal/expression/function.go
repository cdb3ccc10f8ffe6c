package expression

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// A Function describes one function of the language.
type Function struct {
	Name       string      `json:"name"`
	Parameters []Parameter `json:"parameters"`
	// Result is the type of what the function gives: String, Integer,
	// Boolean, DateTime, List, Value (whatever the argument is) or None.
	Result string `json:"result"`
	// Meaning is one or two sentences for people.
	Meaning string `json:"meaning"`
	// Example is a complete expression and ExampleResult what it gives in text
	// form, for the source object of [ExampleSource].
	Example       string `json:"example"`
	ExampleResult string `json:"exampleResult"`
	// CloudSync marks functions that Microsoft lists for cloud sync only.
	CloudSync bool `json:"cloudSync,omitempty"`
}

// A Parameter describes one parameter of a [Function]. Types are those of
// Microsoft Graph: String, Integer, Reference, Binary, Boolean, DateTime.
type Parameter struct {
	Name     string `json:"name"`
	Type     string `json:"type"`
	Required bool   `json:"required"`
	// Repeats marks the last parameter, or the last two of Switch, that may
	// occur any number of times.
	Repeats bool `json:"allowMultipleOccurrences"`
}

// Signature returns the function with its parameters: a question mark follows
// an optional one, an ellipsis one that repeats.
func (f *Function) Signature() string {
	var b strings.Builder
	b.WriteString(f.Name + "(")
	for i, p := range f.Parameters {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(p.Name)
		if !p.Required {
			b.WriteByte('?')
		}
		if p.Repeats {
			b.WriteString("…")
		}
	}
	return b.String() + ")"
}

// Functions returns the catalogue of functions in order of their names.
func Functions() []Function {
	fs := make([]Function, len(builtins))
	for i := range builtins {
		fs[i] = builtins[i].Function
		fs[i].Parameters = slices.Clone(fs[i].Parameters)
	}
	return fs
}

// ExampleSource is the source object of the catalogue's examples.
func ExampleSource() Map {
	return Map{
		"givenName":          Text("Zoë"),
		"surname":            Text("van Dyk"),
		"displayName":        Text("Zoë van Dyk"),
		"mail":               Text("zoe.vandyk@contoso.example"),
		"userPrincipalName":  Text("zoe@contoso.example"),
		"department":         Text("Sales"),
		"jobTitle":           Text(" Account manager "),
		"country":            Text("NL"),
		"telephoneNumber":    Text("+31 (20) 555-0134"),
		"employeeId":         Text("4711"),
		"accountEnabled":     Bool(true),
		"IsSoftDeleted":      Bool(false),
		"employeeHireDate":   Text("2024-03-05T09:00:00+02:00"),
		"userAccountControl": Text("514"),
		"distinguishedName":  Text("CN=Zoë van Dyk,OU=Sales,DC=contoso,DC=example"),
		"proxyAddresses":     listOf([]string{"SMTP:zoe@contoso.example", "smtp:zvd@contoso.example", "SMTP:zoe@contoso.example"}),
		"appRoleAssignments": listOf([]string{`{"id":"06b0","value":"Agent","displayName":"Agent"}`}),
	}
}

// A builtin is a function with what is needed to run it.
type builtin struct {
	Function
	eval evaluator
	// least is the least number of arguments if the parameters do not tell.
	least int
	// check returns what is wrong with arguments whose number is right.
	check func(n *Node) string
	// lint returns what is doubtful about a call.
	lint func(n *Node) string
	// prepare does the work that can be done when compiling.
	prepare func(n *Node)

	volatile  bool // the result depends on more than the arguments
	usesNow   bool
	outermost bool
	redacts   bool
	ignores   bool
}

// findBuiltin returns the function of exactly that name, or nil.
func findBuiltin(name string) *builtin {
	i, ok := slices.BinarySearchFunc(builtins, name, func(b builtin, name string) int {
		return strings.Compare(b.Name, name)
	})
	if !ok {
		return nil
	}
	return &builtins[i]
}

// repeating returns how many of the last parameters repeat together.
func (b *builtin) repeating() int {
	n := 0
	for _, p := range b.Parameters {
		if p.Repeats {
			n++
		}
	}
	return n
}

// parameter returns the parameter of the i-th of count arguments and its
// number from 1 if it repeats, otherwise 0.
func (b *builtin) parameter(i, count int) (Parameter, int) {
	if b.Name == "FormatDateTime" && count == 3 && i > 0 {
		i++ // the three-argument form has no dateTimeStyles
	}
	group := b.repeating()
	fixed := len(b.Parameters) - group
	if i < fixed || group == 0 {
		return b.Parameters[min(i, len(b.Parameters)-1)], 0
	}
	return b.Parameters[fixed+(i-fixed)%group], (i-fixed)/group + 1
}

// keyOf names the i-th of count arguments: source, source2.
func (b *builtin) keyOf(i, count int) string {
	p, number := b.parameter(i, count)
	if number == 0 {
		return p.Name
	}
	return p.Name + strconv.Itoa(number)
}

// checkArguments returns what is wrong with the number of a call's arguments
// or with those omitted, or "".
func (b *builtin) checkArguments(n *Node) string {
	count, group := len(n.Args), b.repeating()
	fixed := len(b.Parameters) - group
	least := b.least
	if least == 0 {
		for i, p := range b.Parameters {
			if p.Required {
				least = i + 1
			}
		}
	}
	switch {
	case count < least:
		return fmt.Sprintf("%s needs at least %s, found %d", b.Name, arguments(least), count)
	case group == 0 && count > fixed:
		if fixed == 0 {
			return fmt.Sprintf("%s takes no arguments, found %d", b.Name, count)
		}
		return fmt.Sprintf("%s takes at most %s, found %d", b.Name, arguments(fixed), count)
	case group > 1 && (count-fixed)%group != 0:
		return fmt.Sprintf("%s needs a value for every key: the number of arguments has to be even, found %d", b.Name, count)
	}
	for i := range n.Args {
		if p, _ := b.parameter(i, count); p.Required && !n.given(i) {
			return fmt.Sprintf("%s of %s is omitted, but required", b.keyOf(i, count), b.Name)
		}
	}
	if b.check != nil {
		return b.check(n)
	}
	return ""
}

func arguments(n int) string {
	if n == 1 {
		return "1 argument"
	}
	return strconv.Itoa(n) + " arguments"
}
