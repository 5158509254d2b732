// node node.mjs [customer target] [mitra target] [internal]: the main job with Node's ws and @msgpack/msgpack.
import WebSocket from 'ws';
import { encode, decode } from '@msgpack/msgpack';
import { run } from './main-job.mjs';

const [api = 'http://127.0.0.1:3000', second = api, internal = 'http://127.0.0.1:3001'] = process.argv.slice(2);
const ws = (url) => url.replace(/^http/, 'ws') + '/ws';
await run({
  api, internal, customerURL: ws(api), mitraURL: ws(second), codec: { encode, decode }, say: (line) => console.log('ok  ' + line),
  open: async (url, token) => {
    return new WebSocket(url, 'bestie.v1.msgpack', { headers: { authorization: `Bearer ${token}` } });
  },
  http: async (method, url, token, body) => {
    const answer = await fetch(url, { method, headers: { 'content-type': 'application/json', ...(token && { authorization: `Bearer ${token}` }) },
      body: body && JSON.stringify(body) });
    const text = await answer.text();
    if (!answer.ok) throw new Error(`${method} ${url}: ${answer.status} ${text}`);
    return JSON.parse(text);
  },
});
console.log('every step as the pages say');
process.exit(0);
