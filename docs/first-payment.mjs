// A paid session seen from outside: asked for, accepted, paid on the sandbox's page, extended, given to another mitra, ended. Against a
// running `go run ./cmd/bestie dev`:
//
//	npm install --no-save ws @msgpack/msgpack && node docs/first-payment.mjs
//
// Open the addresses that it prints and tap Pay. TAP=pay taps for you.
import WebSocket from 'ws'
import { encode, decode } from '@msgpack/msgpack'

const gateway = process.env.GATEWAY ?? 'http://127.0.0.1:3000'
const internal = process.env.INTERNAL ?? 'http://127.0.0.1:3001'
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms))

const call = async (url, token, body) => {
	const headers = { 'Content-Type': 'application/json', ...(token && { Authorization: `Bearer ${token}` }) }
	return (await fetch(url, body ? { method: 'POST', headers, body: JSON.stringify(body) } : { headers })).json()
}

// connect opens a socket and gives ask(kind, body), which resolves with the answer; heed(kind, body) gets everything else.
function connect(token, heed) {
	const socket = new WebSocket(gateway.replace('http', 'ws') + '/ws', ['bestie.v1.msgpack'], { headers: { Authorization: `Bearer ${token}` } })
	const waiting = new Map()
	let lastID = 0
	const ask = (kind, body) =>
		new Promise((resolve) => {
			waiting.set(++lastID, resolve)
			socket.send(encode([kind, lastID, body]))
		})
	const beat = setInterval(() => socket.send(encode([1, 0])), 15_000)
	socket.on('close', () => clearInterval(beat))
	return new Promise((resolve) =>
		socket.on('message', (data) => {
			const [kind, id, body] = decode(data)
			if (kind === 64) resolve({ ask, close: () => socket.close(1000) }) // welcome
			else if (id) waiting.get(id)?.(body)
			else heed(kind, body)
		}),
	)
}

// mitra is one who is online and takes what is offered.
async function mitra(phone, name) {
	const { access_token } = await call(`${internal}/internal/_test/seed-mitra`, '', { phone, display_name: name })
	const app = await connect(access_token, async (kind, body) => {
		if (kind === 70) console.log(`  ${name}: ${body.session.status}, and not a word of money`) // session.update
		if (kind !== 68) return // offer
		console.log(`  ${name}: an offer from ${body.customer_name}, accepted`)
		app.ask(8, { offer_id: body.offer_id }) // offer.received
		app.ask(9, { offer_id: body.offer_id }) // offer.accept
	})
	await app.ask(3, { mode: 'online' }) // presence.set
	return { ...app, goes: () => app.ask(3, { mode: 'offline' }).then(app.close) }
}

const sari = await mitra('+6281100000042', 'Sari')
const { access_token } = await call(`${gateway}/api/shared/auth/anonymous`, '', {})
let session, changed
const customer = await connect(access_token, (kind, body) => {
	if (kind !== 70 || body.session.version < (session?.version ?? 0)) return // session.update; an older one came late
	session = body.session
	console.log(`you: ${session.status}${session.payment ? `, payment ${session.payment.status}` : ''}${session.mitra ? `, ${session.mitra.display_name}` : ''}`)
	changed?.()
})
const until = async (holds) => {
	while (!session || !holds(session)) await new Promise((resolve) => (changed = resolve))
}

// pays waits for an address to pay at, another one than before, and for what comes of it.
async function pays(before, done) {
	await until((s) => s.payment?.checkout_url && s.payment.payment_id !== before)
	console.log(`\n    pay here: ${session.payment.checkout_url}\n`)
	if (process.env.TAP) await fetch(`${session.payment.checkout_url}/${process.env.TAP}`, { method: 'POST' })
	await until(done)
}

// talks shows the countdown for some seconds.
async function talks() {
	for (let n = 0; n < 3; n++, await pause(1000)) {
		const left = Math.round((session.ends_at - Date.now()) / 1000)
		console.log(`    ${Math.floor(left / 60)}:${String(left % 60).padStart(2, '0')} left`)
	}
}

const { items } = await call(`${gateway}/api/client/packages`, access_token)
const pack = items.find((item) => item.price > 0)
console.log(`you: asking for ${pack.duration_minutes} minutes for Rp ${pack.price}`)
await customer.ask(6, { request_key: crypto.randomUUID(), package_id: pack.id }) // pairing.request
await pays('', (s) => s.status === 'active')
await talks()

console.log('you: more, please')
const first = session.payment.payment_id
await customer.ask(12, { session_id: session.session_id, package_id: pack.id, request_key: crypto.randomUUID() }) // session.extend
const ended = session.ends_at
await pays(first, (s) => s.ends_at > ended)
await talks()

console.log('you: somebody else, please')
const dewi = await mitra('+6281100000043', 'Dewi')
await customer.ask(13, { session_id: session.session_id, reason: 'no answer' }) // session.reroute
await until((s) => s.status === 'active' && s.mitra.display_name === 'Dewi')
await talks()

await customer.ask(11, { session_id: session.session_id }) // session.end
await until((s) => s.status === 'ended')
await Promise.all([sari.goes(), dewi.goes()])
customer.close()
