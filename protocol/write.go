package protocol

const (
	frameOfTwo   = fixarrayLow | 2 // [kind, id]
	frameOfThree = fixarrayLow | 3 // [kind, id, body]
)

// appendBare appends a frame that has no body.
func appendBare(dst []byte, kind Kind, id uint32) []byte {
	return appendUint(appendUint(append(dst, frameOfTwo), uint64(kind)), uint64(id))
}

// startFrame begins to write a frame behind dst.
func startFrame(dst []byte, kind Kind, id uint32) fields {
	f := fields{purpose: writing, frame: len(dst)}
	f.buf = appendUint(appendUint(append(dst, frameOfThree), uint64(kind)), uint64(id))
	f.open[0].head = len(f.buf)
	f.buf = append(f.buf, fixmapLow)
	return f
}

// finish completes the frame: a body without fields is left out.
func (f *fields) finish() []byte {
	body := f.open[0]
	if body.count == 0 {
		f.buf[f.frame] = frameOfTwo
		return f.buf[:body.head]
	}
	f.buf[body.head] |= byte(body.count)
	return f.buf
}

// key writes a field's name. A map here has at most 15 fields, so its head is one byte, written when it is complete.
func (f *fields) key(name string) {
	f.open[f.depth].count++
	f.buf = appendText(f.buf, name)
}

// openMap begins a map as the value that comes next.
func (f *fields) openMap() {
	f.depth++
	f.open[f.depth] = scope{head: len(f.buf)}
	f.buf = append(f.buf, fixmapLow)
}

// closeMap completes the innermost map.
func (f *fields) closeMap() {
	f.buf[f.open[f.depth].head] |= byte(f.open[f.depth].count)
	f.depth--
}
