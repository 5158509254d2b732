// The main job seen from outside: a mitra and a customer meet. Against a running `go run ./cmd/bestie dev`:
//
//	npm install --no-save ws @msgpack/msgpack && node docs/first-pairing.mjs
//
// A message is one msgpack array [kind, id, body]; package protocol has all kinds.
import WebSocket from 'ws'
import { encode, decode } from '@msgpack/msgpack'

const gateway = process.env.GATEWAY ?? 'http://127.0.0.1:3000'
const internal = process.env.INTERNAL ?? 'http://127.0.0.1:3001'

const post = async (url, body) =>
	(await fetch(url, { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(body) })).json()

// connect opens a socket, prints what comes, and gives ask(kind, body), which resolves with the answer to the request.
function connect(who, token, onEvent) {
	const socket = new WebSocket(gateway.replace('http', 'ws') + '/ws', ['bestie.v1.msgpack'], {
		headers: { Authorization: `Bearer ${token}` },
	})
	const waiting = new Map()
	let lastID = 0
	const ask = (kind, body) =>
		new Promise((resolve) => {
			waiting.set(++lastID, resolve)
			socket.send(encode(body ? [kind, lastID, body] : [kind, lastID]))
		})
	return new Promise((resolve) => {
		socket.on('close', (code) => console.log(who, 'closed', code))
		socket.on('message', (data) => {
			const [kind, id, body] = decode(data)
			console.log(who, kind, body)
			if (kind === 64) resolve({ ask, close: () => socket.close(1000) }) // welcome
			else if (id) waiting.get(id)?.(body)
			else onEvent?.(kind, body)
		})
	})
}

const seeded = await post(`${internal}/internal/_test/seed-mitra`, { phone: '+6281100000042', display_name: 'Sari' })
const mitra = await connect('mitra   ', seeded.access_token, (kind, offer) => {
	if (kind !== 68) return // offer
	mitra.ask(8, { offer_id: offer.offer_id }) // offer.received: it reached the app (no answer comes)
	mitra.ask(9, { offer_id: offer.offer_id }) // offer.accept
})
await mitra.ask(3, { mode: 'online' }) // presence.set

const signedIn = await post(`${gateway}/api/shared/auth/anonymous`, {})
let pairedWith
const paired = new Promise((resolve) => (pairedWith = resolve))
const customer = await connect('customer', signedIn.access_token, (kind, body) => {
	if (kind === 70 && body.session.status === 'active') pairedWith(body.session) // session.update
})
await customer.ask(4) // availability.subscribe

const packages = await fetch(`${gateway}/api/client/packages`, { headers: { Authorization: `Bearer ${signedIn.access_token}` } })
const free = (await packages.json()).items.find((item) => item.price === 0)
await customer.ask(6, { request_key: crypto.randomUUID(), package_id: free.id, note: 'hello' }) // pairing.request
const session = await paired
console.log('\npaired with', session.mitra.display_name, 'until', new Date(session.ends_at).toISOString(), '\n')

await customer.ask(11, { session_id: session.session_id }) // session.end
await mitra.ask(3, { mode: 'offline' })
mitra.close()
customer.close()
