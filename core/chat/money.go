package chat

// Unused is what of the rupiah that were put into a session goes back to its customer when it is over without its talk, or
// without the rest of it: all of it when the talk was never paid whole (paid is 0), else its share for the seconds that are left of
// those that were paid, rounded down. A customer who leaves a talk that runs leaves the rest of it, too.
func Unused(at Status, reason EndReason, funds int64, left, paid int) int64 {
	switch {
	case at == Active && (reason == ReasonCustomer || reason == ReasonAccountDeleted):
		return 0
	case paid == 0:
		return funds
	}
	return funds * int64(left) / int64(paid)
}
