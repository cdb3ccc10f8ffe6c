// Package expression is the expression language of Entra ID's attribute
// mappings: Join(" ", [givenName], [surname]).
//
// An expression is text; [Compile] turns it into a [Program], which is checked
// once (names, argument counts, nesting) and then evaluated any number of
// times, from any number of goroutines, against source objects. Evaluation is
// pure: what it may need from outside (the source object, the time, job
// parameters, randomness, the directory that knows which values are taken)
// comes in an [Env].
//
// The language has .NET's manners, because the product it comes from is
// written in .NET: regular expressions, custom date formats, title casing,
// number and date texts follow the .NET runtime with the invariant culture.
// Positions in texts count UTF-16 units, except inside regular expressions,
// where one character is one code point.
//
// Everything a person or a tool needs to understand an expression is here
// too: errors with a position and advice ([Error]), the tree ([Node]), the
// value of every part ([Program.Trace]), the catalogue of functions
// ([Functions]), Microsoft Graph's form ([GraphSource]) and files of test
// cases ([Vector]).
//
// Sources: Microsoft Learn, "Reference for writing expressions for attribute
// mappings in Microsoft Entra Application Provisioning"; Microsoft Graph,
// synchronizationSchema: parseExpression and attributeMappingSource; the .NET
// runtime for what those leave to it.
package expression
