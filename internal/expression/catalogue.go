package expression

// Parameter types of Microsoft Graph.
const (
	typeString    = "String"
	typeInteger   = "Integer"
	typeReference = "Reference"
	typeBinary    = "Binary"
	typeBoolean   = "Boolean"
	typeDateTime  = "DateTime"
)

// Result types that are no parameter types.
const (
	typeList  = "List"
	typeValue = "Value"
	typeNone  = "None"
)

func req(name, typ string) Parameter { return Parameter{Name: name, Type: typ, Required: true} }
func opt(name, typ string) Parameter { return Parameter{Name: name, Type: typ} }
func rep(name, typ string) Parameter {
	return Parameter{Name: name, Type: typ, Required: true, Repeats: true}
}

// builtins are all functions, in order of their names.
var builtins = []builtin{
	{
		Function: Function{Name: "AppRoleAssignments", Parameters: []Parameter{req("source", typeString)}, Result: typeList,
			Meaning:       "Gives all application roles of the user.",
			Example:       `Count(AppRoleAssignments([appRoleAssignments]))`,
			ExampleResult: "1"},
		eval: evalRoles,
	},
	{
		Function: Function{Name: "AppRoleAssignmentsComplex", Parameters: []Parameter{req("source", typeString)}, Result: typeList,
			Meaning:       "Gives all application roles of the user as objects with id, value and displayName. Roles are added to the target, never removed.",
			Example:       `AppRoleAssignmentsComplex([appRoleAssignments])`,
			ExampleResult: `{"id":"06b0","value":"Agent","displayName":"Agent"}`},
		eval: evalRoles,
	},
	{
		Function: Function{Name: "Append", Parameters: []Parameter{req("source", typeString), req("suffix", typeString)}, Result: typeString,
			Meaning:       "Puts suffix at the end of source. Null stays null.",
			Example:       `Append([userPrincipalName], ".test")`,
			ExampleResult: "zoe@contoso.example.test"},
		eval: evalAppend,
	},
	{
		Function: Function{Name: "AssertiveAppRoleAssignmentsComplex", Parameters: []Parameter{req("source", typeString)}, Result: typeList,
			Meaning:       "Like AppRoleAssignmentsComplex, but the target's roles are replaced, so that roles no longer assigned disappear.",
			Example:       `AssertiveAppRoleAssignmentsComplex([appRoleAssignments])`,
			ExampleResult: `{"id":"06b0","value":"Agent","displayName":"Agent"}`},
		eval: evalRoles,
	},
	{
		Function: Function{Name: "BitAnd", Parameters: []Parameter{req("value1", typeInteger), req("value2", typeInteger)}, Result: typeInteger,
			Meaning:       "Gives the bits that are set in both numbers.",
			Example:       `BitAnd([userAccountControl], 2)`,
			ExampleResult: "2"},
		eval: evalBitAnd,
	},
	{
		Function: Function{Name: "CBool", Parameters: []Parameter{req("Expression", typeString)}, Result: typeBoolean,
			Meaning:       "Converts to a Boolean: numbers other than zero and the text true are True, all else is False.",
			Example:       `CBool([country] = "NL")`,
			ExampleResult: "True"},
		eval: evalCBool,
	},
	{
		Function: Function{Name: "CDate", Parameters: []Parameter{req("expression", typeString)}, Result: typeDateTime,
			Meaning:       "Reads a date and time and converts it to UTC. Without an offset the text is taken as UTC; slash dates are month first.",
			Example:       `CDate([employeeHireDate])`,
			ExampleResult: "3/5/2024 7:00:00 AM"},
		eval: evalCDate,
	},
	{
		Function: Function{Name: "CStr", Parameters: []Parameter{req("value", typeString)}, Result: typeString,
			Meaning:       "Converts a number, Boolean or time to text.",
			Example:       `CStr(1000)`,
			ExampleResult: "1000"},
		eval: evalCStr,
	},
	{
		Function: Function{Name: "Coalesce", Parameters: []Parameter{rep("source", typeString)}, Result: typeValue,
			Meaning:       "Gives the first argument that is not null. Empty text is not null.",
			Example:       `Coalesce([mailNickname], [mail], "none")`,
			ExampleResult: "zoe.vandyk@contoso.example"},
		eval: evalCoalesce,
	},
	{
		Function: Function{Name: "ConvertFromBase64", Parameters: []Parameter{req("source", typeString), opt("encoding", typeString)}, Result: typeString, CloudSync: true,
			Meaning:       "Decodes Base64. The encoding of the bytes is Unicode (UTF-16, the default), UTF8 or ASCII.",
			Example:       `ConvertFromBase64("SGVsbG8=", UTF8)`,
			ExampleResult: "Hello"},
		eval: evalConvertFromBase64,
	},
	{
		Function: Function{Name: "ConvertToBase64", Parameters: []Parameter{req("source", typeString)}, Result: typeString,
			Meaning:       "Gives the Base64 of the text's UTF-16 bytes.",
			Example:       `ConvertToBase64("Hi")`,
			ExampleResult: "SABpAA=="},
		eval: evalConvertToBase64,
	},
	{
		Function: Function{Name: "ConvertToUTF8Hex", Parameters: []Parameter{req("source", typeString)}, Result: typeString,
			Meaning:       "Gives the text's UTF-8 bytes as upper-case hexadecimal digits.",
			Example:       `ConvertToUTF8Hex([givenName])`,
			ExampleResult: "5A6FC3AB"},
		eval: evalConvertToUTF8Hex,
	},
	{
		Function: Function{Name: "Count", Parameters: []Parameter{req("attribute", typeString)}, Result: typeInteger,
			Meaning:       "Counts the values of a multi-valued attribute.",
			Example:       `Count([proxyAddresses])`,
			ExampleResult: "3"},
		eval: evalCount,
	},
	{
		Function: Function{Name: "DNComponent", Parameters: []Parameter{req("dn", typeReference), req("componentNumber", typeInteger)}, Result: typeString, CloudSync: true,
			Meaning:       "Gives the value of one component of a distinguished name, counted from the left.",
			Example:       `DNComponent([distinguishedName], 2)`,
			ExampleResult: "Sales"},
		eval: evalDNComponent,
	},
	{
		Function: Function{Name: "DateAdd", Parameters: []Parameter{req("interval", typeString), req("value", typeInteger), req("dateTime", typeDateTime)}, Result: typeDateTime,
			Meaning:       "Adds a number of years (yyyy), months (m), days (d), weeks (ww), hours (h), minutes (n) or seconds (s).",
			Example:       `DateAdd("m", 1, CDate("2024-01-31"))`,
			ExampleResult: "2/29/2024 12:00:00 AM"},
		eval: evalDateAdd,
	},
	{
		Function: Function{Name: "DateDiff", Parameters: []Parameter{req("interval", typeString), req("date1", typeDateTime), req("date2", typeDateTime)}, Result: typeInteger,
			Meaning:       "Gives how much later date2 is than date1, in years (yyyy), months (m), days (d), weeks (ww), hours (h), minutes (n) or seconds (s).",
			Example:       `DateDiff("d", CDate("2024-02-28"), CDate("2024-03-01"))`,
			ExampleResult: "2"},
		eval: evalDateDiff,
	},
	{
		Function: Function{Name: "DateFromNum", Parameters: []Parameter{req("value", typeInteger)}, Result: typeDateTime,
			Meaning:       "Converts a Windows file time (100-nanosecond ticks since 1601) to a time.",
			Example:       `DateFromNum(129699324000000000)`,
			ExampleResult: "1/1/2012 11:00:00 PM"},
		eval: evalDateFromNum,
	},
	{
		Function: Function{Name: "DefaultDomain", Parameters: []Parameter{}, Result: typeString,
			Meaning:       "Gives the tenant's default domain.",
			Example:       `Append("zoe@", DefaultDomain())`,
			ExampleResult: "zoe@contoso.example"},
		eval: evalDefaultDomain, volatile: true,
	},
	{
		Function: Function{Name: "Error", Parameters: []Parameter{req("message", typeString)}, Result: typeNone, CloudSync: true,
			Meaning:       "Stops the evaluation with a message; the object is skipped and retried.",
			Example:       `IIF(IsPresent([mail]), [mail], Error("mail is required"))`,
			ExampleResult: "zoe.vandyk@contoso.example"},
		eval: evalError, volatile: true,
	},
	{
		Function: Function{Name: "FormatDateTime", Parameters: []Parameter{req("source", typeString), opt("dateTimeStyles", typeString), req("inputFormat", typeString), req("outputFormat", typeString)}, Result: typeString,
			Meaning:       "Reads a date with one .NET format and writes it with another.",
			Example:       `FormatDateTime([employeeHireDate], , "yyyy-MM-ddTHH:mm:sszzz", "yyyy-MM-dd")`,
			ExampleResult: "2024-03-05"},
		eval: evalFormatDateTime, least: 3, check: checkFormatDateTime, lint: lintFormatDateTime, volatile: true, usesNow: true,
	},
	{
		Function: Function{Name: "Guid", Parameters: []Parameter{}, Result: typeString,
			Meaning:       "Gives a new random GUID.",
			Example:       `Replace(Guid(), , "^[0-9a-f-]{36}$", , "a GUID", , )`,
			ExampleResult: "a GUID"},
		eval: evalGuid, volatile: true,
	},
	{
		Function: Function{Name: "IIF", Parameters: []Parameter{req("condition", typeBoolean), req("valueIfTrue", typeString), req("valueIfFalse", typeString)}, Result: typeValue,
			Meaning:       "Gives one of two values. Only the one that is needed is computed. A comparison with a null is false.",
			Example:       `IIF([country] = "NL", "home", "abroad")`,
			ExampleResult: "home"},
		eval: evalIIF,
	},
	{
		Function: Function{Name: "IgnoreFlowIfNullOrEmpty", Parameters: []Parameter{req("expression", typeString)}, Result: typeValue,
			Meaning:       "Takes the attribute out of the flow when the value is null or empty.",
			Example:       `IgnoreFlowIfNullOrEmpty([department])`,
			ExampleResult: "Sales"},
		eval: evalIgnoreFlow, ignores: true,
	},
	{
		Function: Function{Name: "InStr", Parameters: []Parameter{req("value1", typeString), req("value2", typeString), opt("start", typeInteger), opt("compareType", typeString)}, Result: typeInteger,
			Meaning:       "Gives the position, from 1, of value2 in value1, or 0. compareType is vbBinaryCompare (the default) or vbTextCompare, which ignores case.",
			Example:       `InStr([mail], "@")`,
			ExampleResult: "11"},
		eval: evalInStr,
	},
	{
		Function: Function{Name: "IsNull", Parameters: []Parameter{req("Expression", typeString)}, Result: typeBoolean,
			Meaning:       "True if the attribute is absent.",
			Example:       `IsNull([mobile])`,
			ExampleResult: "True"},
		eval: evalIsNull,
	},
	{
		Function: Function{Name: "IsNullOrEmpty", Parameters: []Parameter{req("Expression", typeString)}, Result: typeBoolean,
			Meaning:       "True if the attribute is absent or empty.",
			Example:       `IsNullOrEmpty([mobile])`,
			ExampleResult: "True"},
		eval: evalIsNullOrEmpty,
	},
	{
		Function: Function{Name: "IsPresent", Parameters: []Parameter{req("Expression", typeString)}, Result: typeBoolean,
			Meaning:       "True if the attribute is neither absent nor empty.",
			Example:       `IsPresent([mail])`,
			ExampleResult: "True"},
		eval: evalIsPresent,
	},
	{
		Function: Function{Name: "IsString", Parameters: []Parameter{req("Expression", typeString)}, Result: typeBoolean,
			Meaning:       "True if the value can be taken as one text.",
			Example:       `IsString([proxyAddresses])`,
			ExampleResult: "False"},
		eval: evalIsString,
	},
	{
		Function: Function{Name: "Item", Parameters: []Parameter{req("attribute", typeString), req("index", typeInteger)}, Result: typeString,
			Meaning:       "Gives one value of a multi-valued attribute, counted from 1.",
			Example:       `Item(Split([userPrincipalName], "@"), 1)`,
			ExampleResult: "zoe"},
		eval: evalItem,
	},
	{
		Function: Function{Name: "Join", Parameters: []Parameter{req("separator", typeString), rep("source", typeString)}, Result: typeString,
			Meaning:       "Joins texts with a separator between them. Absent and empty sources are passed over; a list gives all its values.",
			Example:       `Join(" ", [givenName], [surname])`,
			ExampleResult: "Zoë van Dyk"},
		eval: evalJoin,
	},
	{
		Function: Function{Name: "Left", Parameters: []Parameter{req("String", typeString), req("NumChars", typeInteger)}, Result: typeString,
			Meaning:       "Gives the first characters of a text.",
			Example:       `Left([surname], 3)`,
			ExampleResult: "van"},
		eval: evalLeft,
	},
	{
		Function: Function{Name: "Mid", Parameters: []Parameter{req("source", typeString), req("start", typeInteger), req("length", typeInteger)}, Result: typeString,
			Meaning:       "Gives characters from the middle of a text. The first one has position 1.",
			Example:       `Mid([surname], 5, 20)`,
			ExampleResult: "Dyk"},
		eval: evalMid,
	},
	{
		Function: Function{Name: "NormalizeDiacritics", Parameters: []Parameter{req("source", typeString)}, Result: typeString,
			Meaning:       "Replaces letters with diacritical marks by their plain letters.",
			Example:       `NormalizeDiacritics([givenName])`,
			ExampleResult: "Zoe"},
		eval: evalNormalizeDiacritics,
	},
	{
		Function: Function{Name: "Not", Parameters: []Parameter{req("source", typeBoolean)}, Result: typeBoolean,
			Meaning:       "Turns True to False and everything else, also null, to True.",
			Example:       `Not([IsSoftDeleted])`,
			ExampleResult: "True"},
		eval: evalNot,
	},
	{
		Function: Function{Name: "Now", Parameters: []Parameter{}, Result: typeDateTime,
			Meaning:       "Gives the current time in UTC.",
			Example:       `IIF(Now() > CDate("2024-01-01"), "yes", "no")`,
			ExampleResult: "yes"},
		eval: evalNow, volatile: true, usesNow: true,
	},
	{
		Function: Function{Name: "NumFromDate", Parameters: []Parameter{req("value", typeString)}, Result: typeInteger,
			Meaning:       "Converts a time to a Windows file time, the form of Active Directory's accountExpires.",
			Example:       `NumFromDate("2012-01-01T23:00:00Z")`,
			ExampleResult: "129699324000000000"},
		eval: evalNumFromDate,
	},
	{
		Function: Function{Name: "PCase", Parameters: []Parameter{req("source", typeString), opt("wordSeparators", typeString)}, Result: typeString,
			Meaning:       "Raises the first letter of every word and lowers the others. With wordSeparators, only those characters end a word.",
			Example:       `PCase("VAN DYK-SMIT")`,
			ExampleResult: "Van Dyk-Smit"},
		eval: evalPCase,
	},
	{
		Function: Function{Name: "RandomString", Parameters: []Parameter{req("Length", typeInteger), req("MinimumNumbers", typeInteger), req("MinimumSpecialCharacters", typeInteger), req("MinimumCapital", typeInteger), req("MinimumLowerCase", typeInteger), opt("CharactersToAvoid", typeString)}, Result: typeString,
			Meaning:       "Gives a random text of at most 256 characters with at least so many digits, special characters, capitals and lower-case letters.",
			Example:       `Replace(RandomString(6, 3, 0, 0, 3), , "^[0-9a-z]{6}$", , "random", , )`,
			ExampleResult: "random"},
		eval: evalRandomString, volatile: true,
	},
	{
		Function: Function{Name: "Redact", Parameters: []Parameter{req("value", typeString)}, Result: typeValue,
			Meaning:       "Lets the value flow, but keeps it out of the provisioning logs.",
			Example:       `Redact([employeeId])`,
			ExampleResult: "4711"},
		eval: evalRedact, redacts: true,
	},
	{
		Function: Function{Name: "RemoveDuplicates", Parameters: []Parameter{req("attribute", typeString)}, Result: typeList,
			Meaning:       "Gives every value of a multi-valued attribute once.",
			Example:       `RemoveDuplicates([proxyAddresses])`,
			ExampleResult: "SMTP:zoe@contoso.example, smtp:zvd@contoso.example"},
		eval: evalRemoveDuplicates,
	},
	{
		Function: Function{Name: "Replace", Parameters: []Parameter{req("source", typeString), opt("oldValue", typeString), opt("regexPattern", typeString), opt("regexGroupName", typeString), opt("replacementValue", typeString), opt("replacementAttributeName", typeString), opt("template", typeString)}, Result: typeString,
			Meaning:       "Replaces text, literally (oldValue) or by a .NET regular expression (regexPattern). Which of its five ways applies depends on the arguments given.",
			Example:       `Replace([telephoneNumber], , "[^0-9]", , "", , )`,
			ExampleResult: "31205550134"},
		eval: evalReplace, check: checkReplace, lint: lintReplace, prepare: prepareReplace, volatile: true,
	},
	{
		Function: Function{Name: "SelectUniqueValue", Parameters: []Parameter{rep("rule", typeString)}, Result: typeString,
			Meaning:       "Gives the first value that no object of the target has yet. Only as the outermost function and when objects are created.",
			Example:       `SelectUniqueValue([userPrincipalName], Append("2", [userPrincipalName]))`,
			ExampleResult: "zoe@contoso.example"},
		eval: evalSelectUniqueValue, least: 2, outermost: true, volatile: true,
	},
	{
		Function: Function{Name: "SingleAppRoleAssignment", Parameters: []Parameter{req("source", typeString)}, Result: typeString,
			Meaning:       "Gives one application role of the user.",
			Example:       `SingleAppRoleAssignment([appRoleAssignments])`,
			ExampleResult: "Agent"},
		eval: evalSingleRole,
	},
	{
		Function: Function{Name: "Split", Parameters: []Parameter{req("source", typeString), req("delimiter", typeString)}, Result: typeList,
			Meaning:       "Cuts a text into a list of values.",
			Example:       `Split("red, green, blue", ",")`,
			ExampleResult: "red, green, blue"},
		eval: evalSplit,
	},
	{
		Function: Function{Name: "StringFromSid", Parameters: []Parameter{req("ObjectSID", typeBinary)}, Result: typeString, CloudSync: true,
			Meaning:       "Writes a security identifier, given as Base64 of its bytes, as S-1-….",
			Example:       `StringFromSid("AQEAAAAAAAUSAAAA")`,
			ExampleResult: "S-1-5-18"},
		eval: evalStringFromSid,
	},
	{
		Function: Function{Name: "StripSpaces", Parameters: []Parameter{req("source", typeString)}, Result: typeString,
			Meaning:       "Removes all spaces.",
			Example:       `StripSpaces([surname])`,
			ExampleResult: "vanDyk"},
		eval: evalStripSpaces,
	},
	{
		Function: Function{Name: "Switch", Parameters: []Parameter{req("source", typeString), opt("defaultValue", typeString), rep("key", typeString), rep("value", typeString)}, Result: typeValue,
			Meaning:       "Gives the value of the first key that equals the source, or else the default. The empty key also matches an absent attribute.",
			Example:       `Switch([country], "en", "NL", "nl", "DE", "de")`,
			ExampleResult: "nl"},
		eval: evalSwitch, prepare: prepareSwitch,
	},
	{
		Function: Function{Name: "ToLower", Parameters: []Parameter{req("source", typeString), opt("culture", typeString)}, Result: typeString,
			Meaning:       "Lowers all letters, by the invariant culture or the one named, such as tr-TR.",
			Example:       `ToLower([department])`,
			ExampleResult: "sales"},
		eval: evalToLower,
	},
	{
		Function: Function{Name: "ToUpper", Parameters: []Parameter{req("source", typeString), opt("culture", typeString)}, Result: typeString,
			Meaning:       "Raises all letters, by the invariant culture or the one named, such as tr-TR.",
			Example:       `ToUpper([department])`,
			ExampleResult: "SALES"},
		eval: evalToUpper,
	},
	{
		Function: Function{Name: "Trim", Parameters: []Parameter{req("source", typeString)}, Result: typeString, CloudSync: true,
			Meaning:       "Removes white space at both ends.",
			Example:       `Trim([jobTitle])`,
			ExampleResult: "Account manager"},
		eval: evalTrim,
	},
	{
		Function: Function{Name: "Word", Parameters: []Parameter{req("String", typeString), req("WordNumber", typeInteger), req("delimiters", typeString)}, Result: typeString,
			Meaning:       "Gives one word of a text, counted from 1. Words end at any of the delimiter characters.",
			Example:       `Word([displayName], 2, " ")`,
			ExampleResult: "van"},
		eval: evalWord,
	},
}
