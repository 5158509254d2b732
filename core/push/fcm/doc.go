// Package fcm sends pushes through Firebase Cloud Messaging's HTTP v1 interface: one POST a message, on one HTTP/2 connection.
//
//	push.Message ─► form (a section for the phone's platform) ─► POST …/projects/{id}/messages:send ─► answer
//	                    Authorization: Bearer, kept until shortly before its end ◄── service account, or the machine's own
//
// What the answer means:
//
//	200 with a name                                        taken
//	404 UNREGISTERED,
//	400 INVALID_ARGUMENT that blames the token             push.ErrDeadToken
//	403 SENDER_ID_MISMATCH                                 the same, and a person is told: is the project the right one?
//	401 THIRD_PARTY_AUTH_ERROR (Apple's or the web's key),
//	any other 4xx                                          push.RefusedError: our settings or our message are at fault
//	401 otherwise                                          the access token is forgotten; later
//	429                                                    push.BusyError: Retry-After, else a minute
//	5xx                                                    push.BusyError with Retry-After, else later
//	no answer, or not FCM's                                later; it may have been taken all the same
//
// Targets are registration tokens. When apps hand in Firebase installation ids instead, they go into the form's field fid in place
// of token, and nothing else changes.
package fcm
