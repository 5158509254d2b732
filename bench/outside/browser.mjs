// node browser.mjs [customer target] [mitra target] [internal]: the main job with Chromium's own WebSocket. A small page server on
// 127.0.0.1:8099 forwards the page's REST calls (the gateway sends no CORS headers to apps) and prints what the page reports. The
// gateway must allow the page's origin: WS_ALLOWED_ORIGINS=http://127.0.0.1:8099.
import { createServer } from 'node:http';
import { readFile, mkdtemp } from 'node:fs/promises';
import { spawn } from 'node:child_process';
import { tmpdir } from 'node:os';
import { join, normalize } from 'node:path';

const [api = 'http://127.0.0.1:3000', second = api, internal = 'http://127.0.0.1:3001'] = process.argv.slice(2);
const chromium = process.env.CHROMIUM ?? 'chromium';
const page = `<!doctype html><title>main job</title>
<script type="importmap">{"imports":{"@msgpack/msgpack":"/node_modules/@msgpack/msgpack/dist.esm/index.mjs"}}</script>
<script type="module">
import { encode, decode } from '@msgpack/msgpack';
import { run } from '/main-job.mjs';
const report = (path, text) => fetch(path, { method: 'POST', body: text });
const ws = (url) => url.replace(/^http/, 'ws') + '/ws';
try {
  await run({ api: '${api}', internal: '${internal}', customerURL: ws('${api}'), mitraURL: ws('${second}'), codec: { encode, decode },
    say: (line) => report('/say', line),
    open: async (url, token) => new WebSocket(url, ['bestie.v1.msgpack', 'bearer.' + token]),
    http: async (method, url, token, body) => {
      const answer = await fetch('/forward', { method: 'POST', body: JSON.stringify({ method, url, token, body }) });
      if (!answer.ok) throw new Error(await answer.text());
      return answer.json();
    } });
  await report('/done', '');
} catch (error) { await report('/done', String(error.stack ?? error)); }
</script>`;

async function body(request) { let text = ''; for await (const part of request) text += part; return text; }

async function forward(request, response) {
  const { method, url, token, body: sent } = JSON.parse(await body(request));
  const answer = await fetch(url, { method, headers: { 'content-type': 'application/json', ...(token && { authorization: `Bearer ${token}` }) },
    body: sent && JSON.stringify(sent) });
  response.writeHead(answer.ok ? 200 : 502).end(answer.ok ? await answer.text() : `${method} ${url}: ${answer.status} ${await answer.text()}`);
}

let browser;
function finish(problem) {
  browser.kill('SIGKILL');
  console.log(problem ? `FAILED\n${problem}` : 'every step as the pages say');
  process.exit(problem ? 1 : 0);
}

const server = createServer(async (request, response) => {
  const path = new URL(request.url, 'http://page').pathname;
  if (path === '/') return response.writeHead(200, { 'content-type': 'text/html' }).end(page);
  if (path === '/forward') return forward(request, response);
  if (path === '/say') { console.log('ok  ' + await body(request)); return response.end(); }
  if (path === '/done') { const problem = await body(request); response.end(); return finish(problem); }
  try {
    const file = await readFile(join(import.meta.dirname, normalize(path)));
    response.writeHead(200, { 'content-type': 'text/javascript' }).end(file);
  } catch { response.writeHead(404).end(); }
});
server.listen(8099, '127.0.0.1', async () => {
  const profile = await mkdtemp(join(tmpdir(), 'bestie-browser-'));
  browser = spawn(chromium, ['--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
    '--disable-component-update', '--disable-sync', `--user-data-dir=${profile}`, 'http://127.0.0.1:8099/'], { stdio: 'ignore' });
  browser.on('error', (error) => finish(`${chromium}: ${error.message}; set CHROMIUM to a browser`));
  setTimeout(() => finish('nothing reported within 60 s'), 60_000);
});
