package load

import (
	"time"

	"golang.org/x/sys/unix"

	"github.com/halobestie/bestie-gateway/bench/kernel"
)

const (
	burst      = 64                    // messages that are sent before reading again
	retryAfter = 50 * time.Millisecond // a failed attempt to connect is repeated
	patience   = 30 * time.Second      // for an opening, beyond the task's length
	tellEvery  = 250 * time.Millisecond
	idleWait   = 20 * time.Millisecond
	eventBatch = 512
	never      = time.Duration(1<<63 - 1)
)

// job is a task under way in one worker.
type job struct {
	*swarm
	task   Task
	report Report
	end    time.Duration // of streams

	streams []stream
	fire    time.Duration // of the next trigger; never: another worker's

	// The opening.
	queue    []attempt // sockets to be connected
	waiting  int       // that are not open yet, queue included
	inFlight int
	begun    int
	cutDown  int // of the queue, those that were cut
	share    int // handshakes at the same time

	asked, told int // states
}

// attempt is a socket to be connected, not before a time.
type attempt struct {
	conn   int
	before time.Duration
}

// stream is this worker's part of a Stream.
type stream struct {
	kind     Kind
	from, to int
	next     int           // connection
	step     time.Duration // between two messages
	due      time.Duration // of the next one
	share    int           // unanswered at most; 0: at a rate
	beside   int           // one-way messages with each
}

// do carries a task out. tell is called now and then meanwhile.
func (s *swarm) do(task Task, tell func(Progress)) (Report, error) {
	j := &job{swarm: s, task: task, end: task.Start + task.Length, fire: never}
	s.job = j
	if err := j.prepare(); err != nil {
		return j.report, err
	}
	events := make([]unix.EpollEvent, eventBatch)
	told := task.Start
	finish := j.end + task.Linger
	for {
		now := kernel.Now()
		if now-told >= tellEvery {
			told = now
			tell(Progress{Open: s.opened, Sent: j.report.Sent, Answered: j.report.Latency.Count(), Events: j.report.Events})
		}
		done := now >= j.end && (j.waiting == 0 || now >= j.end+patience)
		if done && now >= finish {
			break
		}
		next, err := j.act(now)
		if err != nil {
			return j.report, err
		}
		// The kernel wakes a little late, and every message has its time: what is left of the last microseconds is not slept.
		if err := s.poll(events, min(next-kernel.Now(), idleWait)); err != nil {
			return j.report, err
		}
	}
	if task.Mute != nil {
		from, to := s.mine(*task.Mute)
		for i := from; i < to; i++ {
			s.listen(i, true)
		}
	}
	j.report.NotOpened = uint64(j.waiting)
	return j.report, nil
}

// prepare does what happens before the task's start, and lays out the rest.
func (j *job) prepare() error {
	if j.task.Close != nil {
		from, to := j.mine(*j.task.Close)
		for i := from; i < to; i++ {
			j.cut(i)
		}
	}
	if j.task.Mute != nil {
		from, to := j.mine(*j.task.Mute)
		for i := from; i < to; i++ {
			j.listen(i, false)
		}
	}
	for _, of := range j.task.Streams {
		from, to := j.mine(of.Range)
		if from >= to || j.framesOf(of.Kind) == nil {
			continue
		}
		if of.InFlight > 0 {
			j.streams = append(j.streams, stream{kind: of.Kind, from: from, to: to, next: from, share: max(of.InFlight/j.setup.Workers, 1), beside: of.Beside})
			continue
		}
		if of.PerSecond <= 0 {
			continue
		}
		step := time.Duration(float64(time.Second) * float64(of.Len()) / (of.PerSecond * float64(to-from)))
		// Workers take turns, or they would all send at the same moment.
		first := j.task.Start + step*time.Duration(j.setup.Worker)/time.Duration(j.setup.Workers)
		j.streams = append(j.streams, stream{kind: of.Kind, from: from, to: to, next: from, step: step, due: first})
	}
	if t := j.task.Trigger; t != nil && t.Socket%j.setup.Workers == j.setup.Worker {
		j.fire = j.task.Start + t.Every
	}
	return j.prepareOpening()
}

func (j *job) prepareOpening() error {
	o := j.task.Open
	if o == nil {
		return nil
	}
	from, to := j.mine(o.Range)
	j.share = max(o.InFlight/j.setup.Workers, 1)
	var tokens []string
	if o.Tokens != "" {
		var err error
		if tokens, err = j.tokenFile(o.Tokens); err != nil {
			return err
		}
	}
	for i := from; i < to; i++ {
		c := &j.conns[i]
		if tokens != nil {
			c.token = tokens[(o.First+j.number(i)-o.From)%len(tokens)]
		}
		if !o.Cut || o.Bare {
			c.subscribe = o.Subscribe // who comes back wants what it wanted
		}
		if c.phase == closed || o.Cut {
			j.queue = append(j.queue, attempt{conn: i})
		}
	}
	j.waiting = len(j.queue)
	return nil
}

// act does what is due and tells when the next thing is.
func (j *job) act(now time.Duration) (next time.Duration, err error) {
	next = never
	for i := range j.streams {
		if s := &j.streams[i]; s.share > 0 {
			next = min(next, j.refill(s, now))
		} else {
			next = min(next, j.send(s, now))
		}
	}
	if j.fire <= now && j.fire < j.end {
		j.trigger()
		j.fire += j.task.Trigger.Every
	}
	next = min(next, j.fire)
	opening, err := j.openMore(now)
	return min(next, opening), err
}

// send sends what is due of a stream.
func (j *job) send(s *stream, now time.Duration) time.Duration {
	for sent := 0; s.due <= now && s.due < j.end; sent++ {
		if sent == burst {
			return now // read in between
		}
		i, due := s.next, s.due
		s.due += s.step
		if s.next++; s.next == s.to {
			s.next = s.from
		}
		if j.conns[i].phase != open {
			j.report.NotOpen++
			continue
		}
		if s.kind == Requests && j.ask(i, due) {
			j.report.Requests++
		} else if s.kind == Requests || !j.write(i, j.framesOf(s.kind)) {
			j.report.Blocked++
			continue
		}
		j.report.Sent++
	}
	if s.due >= j.end {
		return never
	}
	return s.due
}

// refill asks for as many states as were answered.
func (j *job) refill(s *stream, now time.Duration) time.Duration {
	if now >= j.end {
		return never
	}
	for tries := 0; j.asked-j.told < s.share && tries < burst; tries++ {
		for range s.beside {
			j.sendNext(s, j.frames.oneWay)
		}
		if j.sendNext(s, j.frames.state) {
			j.asked++
			j.report.Sent++
		}
	}
	return now + idleWait
}

// sendNext sends a frame on the stream's next socket.
func (j *job) sendNext(s *stream, frame []byte) bool {
	i := s.next
	if s.next++; s.next == s.to {
		s.next = s.from
	}
	if j.conns[i].phase != open || !j.write(i, frame) {
		j.report.NotOpen++
		return false
	}
	return true
}

func (j *job) framesOf(kind Kind) []byte {
	switch kind {
	case Requests:
		return j.frames.request
	case Subscriptions:
		return j.frames.subscribe
	case Pings:
		return j.frames.ping
	case States:
		return j.frames.state
	default:
		return j.frames.oneWay
	}
}

func (j *job) trigger() {
	i := j.task.Trigger.Socket / j.setup.Workers
	if j.conns[i].phase != open || len(j.triggers) == 0 {
		j.report.NotOpen++
		return
	}
	j.write(i, j.triggers[j.fired%len(j.triggers)])
	j.fired++
}

// openMore begins attempts to connect, as many as may be under way.
func (j *job) openMore(now time.Duration) (next time.Duration, err error) {
	o := j.task.Open
	if o == nil || len(j.queue) == 0 {
		return never, nil
	}
	begin := j.task.Start + o.After
	if now < begin {
		return begin, nil
	}
	if o.Cut && o.PerSecond == 0 && j.cutDown < j.waiting && j.begun == 0 {
		for range min(burst, j.waiting-j.cutDown) {
			j.cut(j.queue[j.cutDown].conn)
			j.cutDown++
		}
		return now, nil
	}
	for range burst {
		if len(j.queue) == 0 || j.inFlight >= j.share {
			return now + idleWait, nil
		}
		if o.PerSecond > 0 {
			step := time.Duration(float64(time.Second) * float64(j.setup.Workers) / o.PerSecond)
			if due := begin + step*time.Duration(j.begun); now < due {
				return due, nil
			}
		}
		a := j.queue[0]
		if now < a.before {
			return a.before, nil
		}
		j.queue = j.queue[1:]
		j.begun++
		j.inFlight++
		j.cut(a.conn)
		if err := j.connect(a.conn, now); err != nil {
			return 0, err
		}
		if j.conns[a.conn].phase == closed {
			j.failed(a.conn)
		}
	}
	return now, nil
}

// ready notes that a connection is open.
func (j *job) ready(i int, now time.Duration) {
	j.report.Opened++
	j.report.OpenTime.Add(now - j.conns[i].began)
	if j.waiting > 0 {
		j.waiting--
		j.inFlight--
		j.report.OpenTook = now - j.task.Start - j.task.Open.After
	}
}

// failed has an attempt repeated.
func (j *job) failed(i int) {
	j.report.Failed++
	j.inFlight--
	j.queue = append(j.queue, attempt{conn: i, before: kernel.Now() + retryAfter})
}

func (j *job) answered(due, now time.Duration) {
	if due < j.task.Start {
		return // of an earlier task
	}
	j.report.Latency.Add(now - due)
	j.report.slice(due - j.task.Start).Add(now - due)
}

// event counts one; its age is the time since the last trigger, which is why triggers must be further apart than events take.
func (j *job) event(now time.Duration) {
	j.report.Events++
	if t := j.task.Trigger; t != nil && now >= j.task.Start+t.Every {
		j.report.EventAge.Add((now - j.task.Start) % t.Every)
	}
}
