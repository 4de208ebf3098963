// Pages, the client in a pipe and gRPC's own client on two servers with NATS between them, and NATS killed in the middle
// of their conversation.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { after, before, test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { PATIENCE, open, request, startBrowser, startServer, stopAll, until } from './harness.mjs';

const require = createRequire(import.meta.url);
const grpc = require(`${process.env.GRPC}/grpc-js`);
const { ChatService } = grpc.loadPackageDefinition(
  require(`${process.env.GRPC}/proto-loader`).loadSync(new URL('../proto/chat_v2.proto', import.meta.url).pathname, { defaults: true }),
).chat.v2;

const store = mkdtempSync(join(tmpdir(), 'browser-nats-'));
let port;
let nats;
let servers;
let browser;

/** A port that nobody listens on. */
async function freePort() {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port: free } = server.address();
  server.close();
  await once(server, 'close');
  return free;
}

/** Asks until `condition` holds. */
async function eventually(what, condition) {
  for (const end = Date.now() + PATIENCE; Date.now() < end; await pause(50)) if (await condition()) return;
  assert.fail(`${what} did not come to be`);
}

const listens = () => new Promise((resolve) => {
  const socket = connect(port, '127.0.0.1', () => { socket.destroy(); resolve(true); });
  socket.on('error', () => resolve(false));
});

async function startNats() {
  const path = `${process.env.PATH}:/usr/sbin`;
  nats = spawn('nats-server', ['-a', '127.0.0.1', '-p', String(port), '-js', '-sd', store], { stdio: 'ignore', env: { ...process.env, PATH: path } });
  nats.once('error', (error) => { throw error; });
  await eventually('nats-server', listens);
}

/** As by kill -9. */
async function killNats() {
  nats.kill('SIGKILL');
  await once(nats, 'exit');
}

const isReady = (server, status) => async () => (await request(`${server.origin}/readyz`)).status === status;

before(async () => {
  port = await freePort();
  await startNats();
  const flags = ['--nats', `nats://127.0.0.1:${port}`, '--nats-timeout', '1s', '--nats-required-for-readiness', 'on'];
  servers = await Promise.all([startServer(0, flags), startServer(0, flags)]);
  browser = await startBrowser();
  for (const server of servers) await eventually('a ready server', isReady(server, 200));
});
after(async () => {
  await browser?.close();
  await stopAll();
  nats?.kill('SIGKILL');
  rmSync(store, { recursive: true, force: true });
});

async function enter(server, name) {
  const context = await browser.newContext({ locale: 'en-GB', viewport: { width: 1200, height: 800 } });
  const page = await open(context, `${server.origin}/chat.html`);
  if (!await page.locator('#name').isVisible()) await page.click('#join-panel > summary');
  await page.fill('#name', name);
  await page.fill('#room', 'both');
  await page.click('#join');
  await until(page, '#link-text', /^connected as/);
  return page;
}

async function say(page, text) {
  await page.fill('#text', text);
  await page.press('#text', 'Enter');
}

const said = (page) => page.locator('#entries .said').allTextContents();
const stored = (page, text) => page.waitForFunction((wanted) => [...document.querySelectorAll('#entries .out[data-state="stored"] .said')].some((node) => node.textContent === wanted), text);

/** The client in a pipe: a line in, `name: line` out. */
async function terminal(server, name) {
  const ca = join(process.env.CERTS, 'ca.crt');
  const url = `wss://localhost:${server.port}/chat/both?name=${name}`;
  const child = spawn(process.env.CLIENT, ['--quiet', '--ca', ca, url], { stdio: ['pipe', 'pipe', 'inherit'] });
  const lines = [];
  createInterface({ input: child.stdout }).on('line', (line) => lines.push(line));
  return {
    lines,
    say: (text) => child.stdin.write(`${text}\n`),
    /** Ends the input and gives the exit code. */
    async leave() {
      child.stdin.end();
      const [code] = await once(child, 'exit');
      return code;
    },
  };
}

/** A gRPC client that hears the room; what it says it says without joining. */
function caller(server, name) {
  const credentials = grpc.credentials.createSsl(readFileSync(join(process.env.CERTS, 'ca.crt')));
  const client = new ChatService(`localhost:${server.port}`, credentials);
  const heard = [];
  const events = client.Subscribe({ room: 'both', name });
  events.on('data', ({ message }) => { if (message && !message.provisional) heard.push(message.text); });
  const ended = new Promise((resolve) => events.once('error', resolve));
  return {
    heard,
    say: (text) => new Promise((resolve, reject) => {
      client.Send({ room: 'both', sender: name, text }, (error, reply) => error ? reject(error) : resolve(reply));
    }),
    async leave() {
      events.cancel();
      assert.equal((await ended).code, grpc.status.CANCELLED);
      client.close();
    },
  };
}

test('people on two servers talk in one room while NATS is killed and comes back', async () => {
  const [ana, bob] = [await enter(servers[0], 'ana'), await enter(servers[1], 'bob')];
  const [gil, tom] = [caller(servers[0], 'gil'), await terminal(servers[1], 'tom')];
  for (const page of [ana, bob]) await until(page, '#members-title', /^Here now: 4$/);
  await say(ana, 'one');
  await stored(ana, 'one');
  await until(bob, '#entries .in .said', /^one$/);
  await killNats();
  await eventually('a server that is not ready', isReady(servers[0], 503));
  // Somebody on the same server hears it at once, the other server once NATS is back.
  const eva = await enter(servers[0], 'eva');
  await say(ana, 'two');
  await until(eva, '#entries .in .said', /^two$/);
  assert.deepEqual(await said(bob), ['one']);
  await startNats();
  await stored(ana, 'two');
  await until(bob, '#entries .in .said', /^two$/);
  await say(bob, 'three');
  await stored(bob, 'three');
  await until(ana, '#entries .in .said', /^three$/);
  // From a terminal and from gRPC, each on another server.
  tom.say('four');
  await until(ana, '#entries .in .said', /^four$/);
  assert.equal((await gil.say('five')).duplicate, false);
  await until(bob, '#entries .in .said', /^five$/);
  const all = ['one', 'two', 'three', 'four', 'five'];
  await eventually('everything over gRPC', () => gil.heard.length >= all.length);
  assert.deepEqual(gil.heard, all);
  await eventually('everything in the terminal', () => tom.lines.some((line) => line === 'gil: five'));
  assert.deepEqual(tom.lines.filter((line) => /^\w+: /.test(line)), ['ana: one', 'ana: two', 'bob: three', 'tom: four', 'gil: five']);
  // Who comes now is told everything, once, on either server.
  const late = [await enter(servers[0], 'late'), await enter(servers[1], 'later')];
  for (const page of [ana, bob, ...late]) {
    await until(page, '#entries .said', /^five$/);
    assert.deepEqual(await said(page), all);
    assert.deepEqual(page.problems, []);
  }
  await gil.leave();
  assert.equal(await tom.leave(), 0);
  await Promise.all([ana, bob, eva, ...late].map((page) => page.context().close()));
});
