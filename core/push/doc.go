// Package push is what reaches an app whose socket is down.
//
// It knows the devices: an app hands in its vendor's push token after each sign-in, and the newest registration of a token
// owns it, since one phone may be used by one person after another. A device goes when its sign-in ends (logout,
// revocation), when the vendor calls its token dead, and when nothing was heard of it for as long as the vendor keeps tokens.
//
// A push is a row in Postgres for each device, so no crash loses it:
//
//	an offer that is two seconds old without a receipt ──┐ by whoever looks first, once
//	a session begins or ends, a search finds nobody,     │
//	a payment is to be made, a mitra is set offline   ───┤ in the transaction that does it
//	                                                     ▼
//	                         ┌──────────────────────► pushes ◄────────────────────────┐
//	      claim ran out:     │                           │ Claim: one instance has it  │ later: the vendor is
//	      who had it died    │                           ▼                             │ busy, away or unclear
//	                         └─────────────────────── claimed ── Send ── Settle ───────┘
//	                                                     │                  │
//	   nobody wants it any more: the offer was answered, │                  ├─► sent, or refused for good: row gone
//	   its time is over, the device is gone  ────────────┴─► row gone       └─► token dead: row and device gone
//
// How often? Any number of instances claim with SKIP LOCKED, and each push is with one of them at a time: normally it is sent
// once. It is sent again when an instance dies, or loses Postgres, between sending and settling, and when the vendor's answer
// got lost; so it is at least once. Repetitions carry the same collapse id, with which phones show one notification.
//
// To whom? To all devices of both sides, whoever did it, and whether a socket of theirs is up or not: that the app behind a socket
// has heard of it is not known here, and an app in the foreground shows no notification. A push says only what kind of
// thing happened and its id; the app reads the rest from the gateway. No names, notes or prices: it is shown on locked screens.
//
// Offers first: a push's time (Push.Left) is the remaining life of what it tells, and what outlived it is never sent.
package push
