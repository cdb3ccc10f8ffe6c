// Package graph speaks Microsoft Graph: the types of its directory and
// synchronization parts with the names, enumerations and JSON shapes of the v1.0
// metadata, and a thin client of the calls that read and steer them.
//
// The client does what Graph asks of a good caller and no more: it follows
// @odata.nextLink and @odata.deltaLink, waits when it is told to (429 and 503
// with Retry-After), sends its token to the configured host alone, and turns
// OData errors into [*Error]. A [TokenCredential] gives it tokens;
// [ClientSecretCredential] and [ClientCertificateCredential] get them from the
// Microsoft identity platform.
//
// Types are decoded leniently: members that Graph adds later are ignored, or
// kept where the value is written back.
package graph
