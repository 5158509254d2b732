// Package push is what reaches an app whose socket is down. So far it knows the devices: an app hands in its vendor's
// push token after each sign-in, and the newest registration of a token owns it, since one phone may be used by one
// person after another.
package push
