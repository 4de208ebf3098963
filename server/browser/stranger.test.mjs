// A stranger's first minute: run, trust, open. The server is started as on a terminal, and what it prints is followed word for word.
import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { after, before, test } from 'node:test';
import { PATIENCE, emptyHome, startBrowser } from './harness.mjs';

const server = resolve(process.env.SERVER);
const place = mkdtempSync(join(tmpdir(), 'stranger-'));
const home = emptyHome();
// The machine's own stores are not a test's to change: the command sees copies of them.
const unshare = process.getuid() === 0 ? [] : ['--map-root-user'];
execFileSync('sh', ['-c', 'mkdir local && cp -a /etc/ssl/certs system'], { cwd: place });
let child;
let shown = '';

/** What the block says in the row of `name`. */
const row = (name) => new RegExp(`^  ${name} +(.*)$`, 'm').exec(shown)?.[1];

before(async () => {
  // `script` gives the program a terminal.
  child = spawn('script', ['--quiet', '--return', '--command', `${server} --listen 127.0.0.1:0`, '/dev/null'], { cwd: place, stdio: ['ignore', 'pipe', 'inherit'] });
  const until = AbortSignal.timeout(PATIENCE);
  child.stdout.on('data', (data) => { shown += data.toString().replaceAll('\r', ''); });
  while (!row('Read next')) await once(child.stdout, 'data', { signal: until });
});
after(async () => {
  child.kill();
  await once(child, 'exit');
  for (const directory of [place, home]) rmSync(directory, { recursive: true, force: true });
});

/** What a fresh browser makes of the page. */
async function visit(origin) {
  const browser = await startBrowser(home);
  try {
    const page = await browser.newPage();
    page.setDefaultTimeout(PATIENCE);
    await page.goto(origin);
    return { title: await page.title(), isSecure: await page.evaluate(() => isSecureContext) };
  } finally {
    await browser.close();
  }
}

test('lines of the start stand in order, and the block after them', () => {
  const order = ['no certificate found', 'rodando na porta', ' listening ', '  Pages ', '  Trust the CA ', '  Client '];
  const places = order.map((words) => shown.indexOf(words));
  assert.ok(places.every((at, index) => at >= 0 && (index === 0 || at > places[index - 1])), shown);
});

test('run, trust, open: a page without a warning in a fresh profile', async () => {
  const page = row('Pages');
  await assert.rejects(visit(page), /ERR_CERT_AUTHORITY_INVALID/);
  const trust = (command) => execFileSync('unshare', [...unshare, '--mount', '--', 'sh', '-c', `mount --bind local /usr/local/share/ca-certificates && mount --bind system /etc/ssl/certs && ${command}`], { cwd: place, env: { ...process.env, HOME: home }, encoding: 'utf8' });
  const told = trust(row('Trust the CA'));
  assert.match(told, /Chromium .*: trusted/);
  assert.match(told, /system store: trusted/);
  const { title, isSecure } = await visit(page);
  assert.ok(title && isSecure);
  const bundle = () => readFileSync(join(place, 'system/ca-certificates.crt'), 'utf8');
  const authority = readFileSync(join(place, 'certs/ca.crt'), 'utf8').trim();
  assert.ok(bundle().includes(authority));
  const removed = trust(row('Trust the CA').replace(' trust', ' untrust'));
  assert.match(removed, /Chromium .*: no longer trusted/);
  assert.match(removed, /system store: no longer trusted/);
  assert.ok(!bundle().includes(authority));
  await assert.rejects(visit(page), /ERR_CERT_AUTHORITY_INVALID/);
});

test('the command of the block opens the client', () => {
  const said = execFileSync('sh', ['-c', `echo hello | ${row('Client')}`], { cwd: place, encoding: 'utf8' });
  assert.match(said, /hello/);
});
