package core

// FirstChars keeps the first n characters (code points) of a text: for what people say and nobody depends on, such as reasons.
func FirstChars(text string, n int) string {
	for i := range text {
		if n == 0 {
			return text[:i]
		}
		n--
	}
	return text
}
