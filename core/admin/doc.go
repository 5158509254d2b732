// Package admin is what operators do in the control center: they look after users, mitras, customers, sessions, packages and
// configuration, and see what goes on.
//
//	operator ─► Service: rules ─► one transaction ──┬─► the change, with all that follows from it
//	                                                ├─► events to whom it concerns
//	                                                └─► audit_logs: who, what, before and after
//
// A change that changes nothing leaves no trace. What an operator may do follows from the role: core.Admin manages users and
// configuration, core.Attendant everything else. Who is an operator at all is decided before a call comes here.
//
// # Taking a mitra out
//
// Deactivate is one transaction with everything that follows: the mitra is inactive and offline, its open offers are withdrawn,
// its sessions end (an active one is ended, one that waits for its payment is cancelled, both with the reason deactivated, so
// that no customer is left with a mitra who cannot come back), its auth sessions are revoked, its sockets close with 4001.
// TakeOffline only turns the mode: sessions go on.
//
// # Lists
//
// A list is read in pages, by the key of the last item and not by its number, so a page costs the same wherever it stands. The
// cursor that leads to the next page is that key, opaque to whoever holds it; a forged one leads to another place of the same
// list, or nowhere.
package admin
