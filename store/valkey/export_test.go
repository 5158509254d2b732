package valkey

import "time"

// Patience is the link's.
func (c *Client) Patience(limit time.Duration) { c.link.Patience(limit) }
