// Package attribute knows what the attributes of people and groups are called:
// in Entra's provisioning, in Microsoft Graph and in LDAP directories. Every
// source uses it, so that one mapping fits them all.
package attribute
