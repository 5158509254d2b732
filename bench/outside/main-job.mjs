// The main job, from protocol.md and rest.md alone: a customer meets a mitra. The caller gives a WebSocket factory and a
// msgpack codec, so the same steps run in Node (ws, @msgpack/msgpack) and in a browser (its own WebSocket).

const KIND = { presenceSet: 3, subscribe: 4, request: 6, cancel: 7, received: 8, accept: 9, decline: 10, end: 11, state: 15,
  heartbeat: 1, welcome: 64, ack: 65, error: 66, availability: 67, offer: 68, offerClosed: 69, sessionUpdate: 70, presenceUpdate: 71 };

export class Client {
  constructor(name, socket, codec) {
    this.name = name; this.socket = socket; this.codec = codec; this.nextID = 1; this.seen = []; this.waiting = [];
    socket.binaryType = 'arraybuffer';
    socket.onmessage = (event) => {
      const [kind, id, body] = codec.decode(new Uint8Array(event.data));
      this.#arrived({ kind, id, body: body ?? {} });
    };
    socket.onclose = (event) => this.#arrived({ kind: 'closed', id: 0, body: { code: event.code, reason: event.reason } });
    socket.onerror = () => {};
  }

  #arrived(frame) {
    const i = this.waiting.findIndex((w) => w.want(frame));
    if (i < 0) { this.seen.push(frame); return; }
    const [w] = this.waiting.splice(i, 1);
    clearTimeout(w.timer); w.resolve(frame);
  }

  // next gives the first frame, past or future, that `want` likes.
  next(what, want, ms = 5000) {
    const i = this.seen.findIndex(want);
    if (i >= 0) return Promise.resolve(this.seen.splice(i, 1)[0]);
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`${this.name}: no ${what} within ${ms} ms; seen ${JSON.stringify(this.seen)}`)), ms);
      this.waiting.push({ want, resolve, timer });
    });
  }

  event(what, kind, want = () => true, ms) { return this.next(what, (f) => f.kind === kind && want(f.body), ms).then((f) => f.body); }

  send(kind, id, body) { this.socket.send(this.codec.encode(body === undefined ? [kind, id] : [kind, id, body])); }

  async call(what, kind, body) {
    const id = this.nextID++;
    this.send(kind, id, body);
    return this.next(`answer to ${what}`, (f) => f.id === id && (f.kind === KIND.ack || f.kind === KIND.error));
  }

  async ok(what, kind, body) {
    const answer = await this.call(what, kind, body);
    if (answer.kind !== KIND.ack) throw new Error(`${this.name}: ${what}: ${JSON.stringify(answer.body)}`);
    return answer.body;
  }
}

function check(ok, what) { if (!ok) throw new Error(`expected: ${what}`); }

// run walks the main job. open(url, token) gives a connected WebSocket; http(method, url, token, body) gives JSON.
export async function run({ customerURL, mitraURL, api, internal, open, http, codec, say, mitraSession }) {
  const customerAuth = await http('POST', `${api}/api/shared/auth/anonymous`, undefined, {});
  const mitraAuth = mitraSession ?? await http('POST', `${internal}/internal/_test/seed-mitra`, undefined,
    { phone: `+62812${String(Date.now()).slice(-8)}`, display_name: 'Mitra Luar' });
  const packages = await http('GET', `${api}/api/client/packages`, customerAuth.access_token);
  const free = packages.items.find((p) => p.price === 0);
  check(free, 'a package at price 0');
  say(`signed in; free package ${free.name} (${free.duration_minutes} min)`);

  const mitra = new Client('mitra', await open(mitraURL, mitraAuth.access_token), codec);
  const customer = new Client('customer', await open(customerURL, customerAuth.access_token), codec);
  const welcomeM = await mitra.event('welcome', KIND.welcome);
  const welcomeC = await customer.event('welcome', KIND.welcome);
  check(welcomeM.user_type === 'mitra' && welcomeM.state.mode !== undefined && Array.isArray(welcomeM.state.offers), 'a mitra state');
  check(welcomeC.user_type === 'customer' && typeof welcomeC.state.available === 'number', 'a customer state');
  say(`welcome: ${welcomeC.state.available} available, heartbeat every ${welcomeC.heartbeat_seconds} s`);

  const before = (await customer.ok('subscribe', KIND.subscribe)).available;
  const set = await mitra.ok('presence.set', KIND.presenceSet, { mode: 'online' });
  check(set.mode === 'online', 'mode online acked');
  const seen = await customer.event('availability', KIND.availability, (b) => b.available > before);
  say(`mitra online; the customer saw ${before} -> ${seen.available}`);
  check(Object.keys(await mitra.ok('heartbeat', KIND.heartbeat)).length === 0, 'an empty ack to a heartbeat');

  const key = `k-${Math.random()}`;
  const request = { request_key: key, package_id: free.id, note: 'halo' };
  const started = Date.now();
  const { session } = await customer.ok('request', KIND.request, request);
  check(session.status === 'searching' || session.status === 'active', 'searching');
  const offer = await mitra.event('offer', KIND.offer, (b) => b.session_id === session.session_id);
  say(`offer after ${Date.now() - started} ms: ${offer.customer_name}, ${offer.duration_minutes} min, "${offer.note}"`);
  const replay = await customer.ok('replayed request', KIND.request, request);
  check(replay.session.session_id === session.session_id, 'the same session for the same key');
  const reused = await customer.call('reused key', KIND.request, { ...request, note: 'other' });
  check(reused.body.code === 'KEY_REUSED', 'KEY_REUSED');
  const live = await customer.call('second request', KIND.request, { ...request, request_key: key + 'b' });
  check(live.body.code === 'SESSION_LIVE' && live.body.session.session_id === session.session_id, 'SESSION_LIVE with the session');

  mitra.send(KIND.received, 0, { offer_id: offer.offer_id });
  const accepted = await mitra.ok('accept', KIND.accept, { offer_id: offer.offer_id });
  check(accepted.session.status === 'active' && accepted.session.price === undefined && accepted.session.payment === undefined, 'an active session without price for the mitra');
  const told = await customer.event('session.update active', KIND.sessionUpdate, (b) => b.session.status === 'active');
  check(told.session.mitra.mitra_id && told.session.ends_at > told.session.started_at, 'the mitra and the end time');
  const again = await mitra.ok('accept again', KIND.accept, { offer_id: offer.offer_id });
  check(again.session.session_id === session.session_id, 'accept is idempotent');
  say(`paired with ${told.session.mitra.display_name}, version ${told.session.version}`);

  const ended = await customer.ok('end', KIND.end, { session_id: session.session_id });
  check(ended.session.status === 'ended' && ended.session.end_reason === 'customer', 'ended by customer');
  await mitra.event('session.update ended', KIND.sessionUpdate, (b) => b.session.status === 'ended');
  say('ended; both know');

  const second = await customer.ok('request', KIND.request, { ...request, request_key: key + 'c' });
  const offer2 = await mitra.event('second offer', KIND.offer, (b) => b.session_id === second.session.session_id);
  const cancelled = await customer.ok('cancel', KIND.cancel, { session_id: second.session.session_id });
  check(cancelled.session.status === 'cancelled', 'cancelled');
  const closed = await mitra.event('offer.closed', KIND.offerClosed, (b) => b.offer_id === offer2.offer_id);
  check(closed.reason === 'cancelled', 'offer.closed cancelled');
  const late = await mitra.call('late accept', KIND.accept, { offer_id: offer2.offer_id });
  check(late.body.code === 'OFFER_CANCELLED', 'OFFER_CANCELLED');
  const foreign = await customer.call('a role may not', KIND.accept, { offer_id: offer2.offer_id });
  check(foreign.body.code === 'FORBIDDEN', 'FORBIDDEN');
  const unknown = await customer.call('unknown kind', 99);
  check(unknown.body.code === 'UNKNOWN_KIND', 'UNKNOWN_KIND');
  say('cancelled; late accept refused; wrong role and unknown kind answered');

  const other = new Client('mitra 2', await open(customerURL, mitraAuth.access_token), codec);
  await other.event('welcome', KIND.welcome);
  const replaced = await mitra.event('close', 'closed');
  check(replaced.code === 4000, `4000 replaced, not ${replaced.code}`);
  const off = await other.ok('offline', KIND.presenceSet, { mode: 'offline' });
  check(off.mode === 'offline', 'offline');
  await other.event('presence.update', KIND.presenceUpdate, (b) => b.mode === 'offline');
  other.socket.close(1000); customer.socket.close(1000);

  const refused = new Client('nobody', await open(customerURL, 'not-a-token'), codec);
  const why = await refused.event('error', KIND.error);
  check(why.code === 'UNAUTHENTICATED', 'UNAUTHENTICATED');
  check((await refused.event('close', 'closed')).code === 4101, '4101');
  say('replaced 4000; bad token 4101: all as protocol.md says');
}
