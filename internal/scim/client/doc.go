// Package client provisions any SCIM 2.0 endpoint over HTTP: it is the
// engine's [provision.Target] and [provision.Inventory].
//
// Its one idea is that every request comes to one of three ends, and that the
// error says which: the endpoint answered (a [scim.Error] rebuilt from its
// answer), the request never reached it (type Unavailable), or it may have been
// carried out although no answer came (type GatewayTimeout). Only the first two
// may be sent again without looking.
//
// Requests are spelt in one of three dialects, see [provision.Dialect]: that of
// RFC 7644, or one of the two in which Entra ID speaks.
package client
