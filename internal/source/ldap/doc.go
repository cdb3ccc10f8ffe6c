// Package ldap reads people and groups from an LDAP directory (RFC 4510) or
// Active Directory.
//
// A first read goes through everything, page by page. A later one asks only for
// what changed, in the way that the server offers, best first:
//
//   - Active Directory: the DirSync control (MS-ADTS 3.1.1.3.4.1.3), which needs
//     the right "Replicating Directory Changes"; without it uSNChanged;
//   - OpenLDAP with the syncprov overlay, and what replicates from it: entryCSN
//     against contextCSN. While contextCSN stays, one request is all that a read costs;
//   - any other: modifyTimestamp, over a window that reaches ten minutes further
//     back than the last change seen.
//
// What is yielded twice does no harm, as the engine compares content; so every
// way errs on that side. Who has left is found from tombstones where these may
// be read, and otherwise by asking for the IDs of all entries, and nothing else,
// and holding them against what the engine knows ([Options.Known]).
// That list is the one cost that grows with the directory and not with the
// change: some 0.3 s for 10,000 entries, when anything changed at all.
//
// A [provision.Watermark] of this package names the server (or, where servers
// share what it counts, the directory) and the configuration it was made with.
// With another one it is expired, and everything is read.
//
// # How entries become objects
//
// An object's ID is objectGUID as text, entryUUID, nsUniqueId or ipaUniqueID, or
// else the distinguished name, which makes another person of one that is renamed.
// Attributes are named as package attribute has it; [Config.Attributes] puts
// others in their place. Several values make a list. Passwords and binary values
// are left out; a binary attribute that Config.Attributes names is given in
// base64. Attributes that change by themselves (lastLogon, modifyTimestamp, …)
// and memberOf are left out unless Config.Attributes names them.
//
// accountEnabled is false for userAccountControl with ACCOUNTDISABLE, a true
// nsAccountLock, pwdAccountLockedTime 000001010000Z (locked until somebody
// unlocks it; the lock after wrong passwords passes and does not count) and a
// loginShell of nologin or false. accountExpires does not count.
//
// manager and the members of groups (member, uniqueMember, memberUid) become
// IDs. One who is not among those read, because the filters or the base leave
// him out or nobody of that name exists, is left out, and a
// [provision.Problem] says so; when he comes to be, those who refer to him are
// read again. Where the server does not keep references right when an entry is
// renamed (OpenLDAP without the refint overlay), neither does this package.
// Membership of Active Directory's primary group is no attribute of the group
// and is not read.
//
// Search references to other servers are ignored: to follow them would be to
// give the password to a server that nobody configured. An answer that is a
// referral as a whole is an error that names the other server.
//
// # Use
//
//	src, err := ldap.New(ldap.Options{
//		Config: ldap.Config{
//			URL:    "ldaps://dc1.corp.example",
//			BindDN: "CN=lockstep,OU=Service,DC=corp,DC=example",
//			BaseDN: "OU=Staff,DC=corp,DC=example",
//		},
//		Password: password,
//		Known:    ledger.Staged,
//	})
//	report, err := src.Check(ctx) // what `source check` says
//	engine := &provision.Engine{Source: src, …}
//	for range src.Watch(ctx) { … run a cycle … }
//
// [Config] is what is stored of a source; the password is sealed apart from it.
package ldap
