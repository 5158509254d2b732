package hub

// Broadcast is what Run does when the pace allows it.
func (b *Beacon[C, F]) Broadcast() { b.broadcast() }
