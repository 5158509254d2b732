package socket

// Blocked tells whether something waits for the peer to read.
func Blocked(c *Conn) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.out != nil
}
