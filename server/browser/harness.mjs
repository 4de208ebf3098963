// What every browser test needs: the real server on a port of its own, and a Chromium that trusts its CA.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync } from 'node:fs';
import { createServer, get } from 'node:https';
import { connect, createServer as listen } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

const { chromium } = await import(process.env.PLAYWRIGHT);

/** Longest wait for anything, in milliseconds; on a machine with nothing else to do everything takes far less. */
export const PATIENCE = 20_000;

/** What a test that fails leaves behind, so that it does not keep the others waiting. */
const running = new Set();

/** Ends every server and wire that is still there. */
export async function stopAll() {
  await Promise.all([...running].map((one) => one.stop('SIGKILL')));
}

/** Starts the server; `port` 0 lets the system choose, `more` are further arguments. */
export async function startServer(port = 0, more = []) {
  const args = ['--listen', `127.0.0.1:${port}`, '--certs', process.env.CERTS, ...more];
  const child = spawn(process.env.SERVER, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  const lines = [];
  const found = new Promise((resolve, reject) => {
    for (const stream of [child.stdout, child.stderr]) {
      createInterface({ input: stream }).on('line', (line) => {
        lines.push(line);
        const listening = /rodando na porta (\d+)/.exec(line);
        if (listening) resolve(Number(listening[1]));
      });
    }
    child.once('exit', (code) => reject(new Error(`server ended with ${code}:\n${lines.join('\n')}`)));
    setTimeout(() => reject(new Error('server did not listen in time')), PATIENCE).unref();
  });
  const chosen = await found;
  const server = {
    port: chosen,
    origin: `https://localhost:${chosen}`,
    lines,
    /** Ends the server at once, as a crash would, or in order. */
    async stop(signal = 'SIGTERM') {
      running.delete(server);
      if (child.exitCode !== null || child.signalCode !== null) return;
      child.kill(signal);
      await once(child, 'exit');
    },
  };
  running.add(server);
  return server;
}

/** Starts Chromium with the store of CAs in `home`; an empty home trusts nobody. */
export function startBrowser(home = process.env.BROWSER_HOME, more = []) {
  return chromium.launch({
    executablePath: '/usr/bin/chromium',
    env: { ...process.env, HOME: home, XDG_CONFIG_HOME: join(home, '.config') },
    args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync', ...more],
  });
}

/** A home without any CA. */
export const emptyHome = () => mkdtempSync(join(tmpdir(), 'browser-test-'));

/** A page of another origin, with the server's certificate but a port of its own and no policy. */
export async function startForeignSite() {
  const read = (file) => readFileSync(join(process.env.CERTS, file));
  const site = createServer({ cert: read('server.crt'), key: read('server.key') }, (_, response) => {
    response.setHeader('content-type', 'text/html');
    response.end('<!doctype html><title>elsewhere</title>');
  });
  site.listen(0, '127.0.0.1');
  await once(site, 'listening');
  return { origin: `https://localhost:${site.address().port}`, stop: () => site.close() };
}

/** A wire to the server that can be cut, and that can lose what one side says without either noticing. */
export async function startWire(port) {
  const pairs = new Set();
  const wire = { isCut: false, isMute: false, isDeaf: false };
  const proxy = listen((client) => {
    if (wire.isCut) {
      client.destroy();
      return;
    }
    const server = connect(port, '127.0.0.1');
    const pair = { end: () => { client.destroy(); server.destroy(); pairs.delete(pair); } };
    pairs.add(pair);
    client.on('data', (data) => { if (!wire.isDeaf) server.write(data); }).on('error', pair.end).on('close', pair.end);
    server.on('data', (data) => { if (!wire.isMute) client.write(data); }).on('error', pair.end).on('close', pair.end);
  });
  proxy.listen(0, '127.0.0.1');
  await once(proxy, 'listening');
  running.add(wire);
  return Object.assign(wire, {
    origin: `https://localhost:${proxy.address().port}`,
    /** Ends every connection at once; with `stays` no other comes through. */
    cut(stays = false) {
      Object.assign(wire, { isCut: stays, isMute: false, isDeaf: false });
      for (const pair of [...pairs]) pair.end();
    },
    mend() { wire.isCut = false; },
    stop() {
      running.delete(wire);
      wire.cut(true);
      proxy.close();
    },
  });
}

/** Opens a page and keeps what goes wrong in it. */
export async function open(context, url) {
  const page = await context.newPage();
  page.setDefaultTimeout(PATIENCE);
  page.problems = [];
  page.on('pageerror', (error) => page.problems.push(String(error)));
  page.on('console', (message) => {
    if (message.type() === 'error' || message.type() === 'warning') page.problems.push(message.text());
  });
  await page.goto(url);
  return page;
}

/** Waits until the text of an element matches. */
export async function until(page, selector, pattern) {
  await page.waitForFunction(
    ([where, source]) => [...document.querySelectorAll(where)].some((node) => new RegExp(source, 's').test(node.textContent)),
    [selector, pattern.source],
    { timeout: PATIENCE },
  ).catch(async () => {
    const texts = await page.locator(selector).allTextContents();
    throw new Error(`${selector} never matched ${pattern}: ${JSON.stringify(texts.slice(-5))}\n${page.problems.join('\n')}`);
  });
}

/** What the server answers to a plain request, seen without the browser: status, headers and body. */
export function request(url) {
  const ca = readFileSync(join(process.env.CERTS, 'ca.crt'));
  return new Promise((resolve, reject) => {
    get(url, { ca, agent: false }, (response) => {
      let body = '';
      response.setEncoding('utf8').on('data', (part) => { body += part; }).on('end', () => resolve({ status: response.statusCode, headers: response.headers, body }));
    }).on('error', reject);
  });
}

/** The value of a series of /metrics, summed over all whose labels contain `labels`. */
export async function metric(origin, name, ...labels) {
  const { body } = await request(`${origin}/metrics`);
  const lines = body.split('\n').filter((line) => line.startsWith(`${name}{`) && labels.every((label) => line.includes(label)));
  return lines.reduce((sum, line) => sum + Number(line.split(' ').at(-1)), 0);
}
