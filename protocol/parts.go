package protocol

// enter opens the map that a field holds; false: there is nothing to walk over. leave must follow a true.
func (f *fields) enter(name string, need need, part string, present bool) bool {
	switch f.purpose {
	case writing:
		if !present {
			return false
		}
		f.key(name)
		f.openMap()
		return true
	case reading:
		at, ok := f.find(name, need)
		if !ok {
			return false
		}
		f.depth++
		f.open[f.depth] = scope{name: name}
		return f.readMap(&f.open[f.depth], at)
	default:
		f.schema.add(name, need, reference(part))
		return false
	}
}

// leave closes what enter or element opened.
func (f *fields) leave() {
	if f.purpose == writing {
		f.closeMap()
		return
	}
	f.depth--
}

// list opens a required list of maps and tells how many elements to walk over; closeList must follow unless there are none.
func (f *fields) list(name, part string, n int) int {
	switch f.purpose {
	case writing:
		f.key(name)
		f.buf = appendArrayHead(f.buf, n)
		return n
	case reading:
		at, ok := f.find(name, required)
		if !ok {
			return 0
		}
		t := readToken(f.buf, at)
		if t.class != classArray || t.n > uint64(len(f.buf)-at) {
			f.fail(name, "must be an array")
			return 0
		}
		f.depth++
		f.open[f.depth] = scope{name: name, head: at + t.size, at: at + t.size, count: int(t.n)}
		if t.n == 0 {
			f.depth--
		}
		return int(t.n)
	default:
		element := reference(part)
		f.schema.add(name, required, property{Type: "array", Items: &element})
		return 0
	}
}

// element opens the map that is element number i of the open list; false after an error.
func (f *fields) element(i int) bool {
	if f.purpose == writing {
		f.openMap()
		return true
	}
	if f.err != nil {
		return false
	}
	list := &f.open[f.depth]
	at := list.at
	list.at = skip(f.buf, at)
	f.depth++
	f.open[f.depth] = scope{index: i}
	return f.readMap(&f.open[f.depth], at)
}

// closeList closes what list opened.
func (f *fields) closeList() {
	if f.purpose == reading {
		f.depth--
	}
}

func (f *fields) session(name string, need need, part **Session) {
	if !f.enter(name, need, "session", *part != nil) {
		return
	}
	if *part == nil {
		*part = new(Session)
	}
	(*part).fields(f)
	f.leave()
}

func (f *fields) payment(name string, part **Payment) {
	if !f.enter(name, optional, "payment", *part != nil) {
		return
	}
	if *part == nil {
		*part = new(Payment)
	}
	(*part).fields(f)
	f.leave()
}

func (f *fields) mitraParty(name string, part **MitraParty) {
	if !f.enter(name, optional, "mitra", *part != nil) {
		return
	}
	if *part == nil {
		*part = new(MitraParty)
	}
	(*part).fields(f)
	f.leave()
}

func (f *fields) customerParty(name string, part **CustomerParty) {
	if !f.enter(name, optional, "customer", *part != nil) {
		return
	}
	if *part == nil {
		*part = new(CustomerParty)
	}
	(*part).fields(f)
	f.leave()
}

func (f *fields) state(name string, part **State) {
	present := *part != nil && ((*part).Mitra != nil || (*part).Customer != nil)
	if !f.enter(name, optional, "state", present) {
		return
	}
	if *part == nil {
		*part = new(State)
		if f.hasKey(f.open[f.depth].head, f.open[f.depth].count, []byte("mode")) {
			(*part).Mitra = new(MitraState)
		} else {
			(*part).Customer = new(CustomerState)
		}
	}
	switch state := *part; {
	case state.Mitra != nil:
		state.Mitra.fields(f)
	case state.Customer != nil:
		state.Customer.fields(f)
	}
	f.leave()
}

func (f *fields) offers(name string, list *[]Offer) {
	n := f.list(name, "offer", len(*list))
	for i := range n {
		if !f.element(i) {
			return
		}
		if f.purpose == reading {
			*list = append(*list, Offer{})
		}
		(*list)[i].fields(f)
		f.leave()
	}
	if n > 0 {
		f.closeList()
	}
}

func (f *fields) sessions(name string, list *[]Session) {
	n := f.list(name, "session", len(*list))
	for i := range n {
		if !f.element(i) {
			return
		}
		if f.purpose == reading {
			*list = append(*list, Session{})
		}
		(*list)[i].fields(f)
		f.leave()
	}
	if n > 0 {
		f.closeList()
	}
}
