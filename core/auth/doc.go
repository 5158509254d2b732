// Package auth says who somebody is: access tokens, the refresh tokens behind them, phone codes, Google, Apple and passwords, and what
// takes all of that away again.
//
// # Two tokens
//
// An access token is a JWT (HS256) that lives an hour and is believed without any look-up: Service.Verify does no I/O and is
// made for event loops. What ends such a token early is the deny list, a map in memory of the auth sessions that were
// revoked within an access token's life: loaded at start, read again every 30 s, and told at once by the event
// core.AuthRevoked.
//
// A refresh token is "<auth session id>.<secret>". The secret of generation g is
//
//	HMAC-SHA256(server key, session id || g || the row's salt)
//
// so that it can be computed again, while the row holds only a bcrypt hash of it. One auth session is one signed-in device, and
// its refresh tokens are a family, of which the row knows the newest:
//
//	        sign-in                  used: g+1 is born          used again
//	g = 0 ──────────► g is newest ─────────────────► g is the direct parent ─────► within 10 s: the same g+1
//	                      │                              │
//	                      │ 30 days, 14 unused,          │ after 10 s, or a still older one:
//	                      │ logout, deactivation …       │ two hands hold this family
//	                      ▼                              ▼
//	                session over ◄───────────────── theft: session revoked, sockets closed (4102)
//
// The 10 s are for a client that lost the answer, and for two tabs: however often and in parallel the direct parent comes,
// it gets one and the same successor. A secret that never was one of the family's is no theft, else anybody who
// saw a session's id could end it. Operators' auth sessions are shorter: 12 hours, two of them unused.
//
// # Phone codes
//
//	request ─► issued ──right code──► used ─► signed in, or linked to the anonymous customer who asked
//	             │  └──wrong code──► attempts + 1 ─► (otp_max_attempts) exceeded
//	             ├──otp_ttl_seconds──► expired
//	             └──a newer request for the phone in the same app──► expired
//
// An attempt is counted and compared in one statement, so parallel guesses never get more than the limit. A mitra's phone that is not
// known gets the same answer: its row holds a code that nobody can hit, and codes for mitras leave after the answer.
//
// # Identities of customers
//
//	anonymous ──phone, Google, Apple──► linked: the same account, the same auth session
//	    │                                  │ held by another account: IDENTITY_IN_USE
//	    └──────── DELETE me ◄──────────────┘
//	                  │ one transaction: live session over, identities and names gone, signed out everywhere
//	                  └► Apple is told to revoke its token, now and again until it answers (seal.go)
//
// Who holds an identity is found by the phone or the provider's sub, never by an address. Providers are asked before a transaction
// begins, never inside one.
//
// # Operators
//
// A password is compared (bcrypt, cost 12) only after its try was counted as a failure in the store, so that no number of parallel
// tries compares more than cc_max_failed_logins; a right one forgets the count. An address that nobody has costs the same time and is
// locked out alike. The role travels in the access token: whoever changes it revokes the operator's auth sessions.
//
// All hashing runs in a few places (hashing.go), so that a flood of sign-ins leaves the cores to the sockets.
//
// # Keys
//
// Everything hangs on AUTH_JWT_SECRET: it signs access tokens; refresh secrets, code hashes and Apple's sealed tokens use keys derived from it
// (HKDF).
// AUTH_JWT_SECRET_PREVIOUS keeps verifying while a rotation lasts. A refresh token survives even after that, since its bcrypt hash
// needs no key; its successor is made with the new one.
package auth
