// Package rest is what is not a socket: authentication, the little that apps ask once, and the internal routes of the
// control center and of operations.
//
// Two routers, never mixed: Public is for the apps, Internal for a private address. A request goes
//
//	request id ─► panics caught ─► access log ─► limit by address (public) ─► route ─► who is it ─► strict JSON ─► core ─► answer
//
// Handlers hold no rules: they read a body into a struct, call a port of ports.go, and write what comes back. An error of core becomes
// an answer in one place (respond.go), by one table from its code to a status; what has no code is logged once, with the
// request's id, and told as INTERNAL.
package rest
