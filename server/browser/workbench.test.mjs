// The workbench in a browser that verifies the certificate: every route, the extension, both HTTP versions, Origins.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { emptyHome, metric, open, request, startBrowser, startForeignSite, startServer, until } from './harness.mjs';

let server;
let browser;
let context;
before(async () => {
  [server, browser] = await Promise.all([startServer(), startBrowser()]);
});
after(async () => {
  await browser?.close();
  await server?.stop();
});

/** A fresh workbench: nothing remembered from the test before. */
async function workbench(origin = server.origin, where = browser) {
  context = await where.newContext({ locale: 'en-GB' });
  return open(context, `${origin}/`);
}

async function connect(page, route) {
  await page.click(`[data-route="${route}"]`);
  await page.click('#connect');
  await until(page, '#fact-state', /open/);
}

async function send(page, kind, text) {
  await page.check(`input[value="${kind}"]`, { force: true });
  await page.fill('#payload', text);
  await page.click('#send');
}

/** What a script of a page gets from a route: the messages, or how the connection ended. */
function exchange(page, url, message, protocols = []) {
  return page.evaluate(([where, what, names]) => new Promise((resolve) => {
    const socket = new WebSocket(where, names);
    socket.onopen = () => socket.send(what);
    socket.onmessage = ({ data }) => { resolve({ data, protocol: socket.protocol, extensions: socket.extensions }); socket.close(1000); };
    socket.onclose = ({ code, wasClean }) => resolve({ code, wasClean });
  }), [url, message, protocols]);
}

const wss = (route) => server.origin.replace('https', 'wss') + route;

test('a browser without the CA refuses the certificate', async () => {
  const stranger = await startBrowser(emptyHome());
  try {
    const page = await stranger.newPage();
    await assert.rejects(page.goto(server.origin), /ERR_CERT_AUTHORITY_INVALID/);
  } finally {
    await stranger.close();
  }
});

test('pages carry a policy, and a script of somebody else does not run', async () => {
  const page = await workbench();
  for (const path of ['/', '/drone.html', '/workbench.js', '/style.css']) {
    const headers = (await request(server.origin + path)).headers;
    assert.match(headers['content-security-policy'], /default-src 'none'; script-src 'self'; style-src 'self'/, path);
    assert.equal(headers['x-content-type-options'], 'nosniff', path);
    assert.equal(headers['referrer-policy'], 'no-referrer', path);
    assert.equal(headers['strict-transport-security'], undefined, path);
  }
  const ran = await page.evaluate(() => {
    const script = document.createElement('script');
    script.textContent = 'window.ran = true';
    document.body.append(script);
    return Boolean(window.ran);
  });
  assert.equal(ran, false);
  assert.match(page.problems.join(), /Content Security Policy/);
  await context.close();
});

test('the page greets /ws in its words, with compression agreed', async () => {
  const page = await workbench();
  await connect(page, '/ws');
  await until(page, '#fact-extension', /^permessage-deflate/);
  await send(page, 'text', 'Olá, servidor WebSocket!');
  await until(page, '#log .in pre', /^Retorno do servidor!$/);
  await until(page, '#log .out pre', /^Olá, servidor WebSocket!$/);
  await until(page, '#log .in .meta', /received.*text20 B(compressed to \d+ B|uncompressed)/);
  await page.click('#connect');
  await until(page, '#fact-closed', /^1000/);
  const transcript = ['Handshake recebido', 'Conexão WebSocket estabelecida!', 'Mensagem recebida do cliente: Olá, servidor WebSocket!', 'Mensagem enviada de volta para o cliente: Retorno do servidor!', 'Conexão WebSocket encerrada!'];
  const found = transcript.map((words) => server.lines.findIndex((line) => line.includes(words)));
  assert.ok(found.every((at, index) => at >= 0 && (index === 0 || at > found[index - 1])), `${found} in\n${server.lines.join('\n')}`);
  assert.deepEqual(page.problems, []);
  await context.close();
});

test('text, JSON, hex, Base64 and files come back from /echo as they were', async () => {
  const page = await workbench();
  await connect(page, '/echo');
  await send(page, 'text', '<img src=x onerror="document.title=\'owned\'">');
  await until(page, '#log .in pre', /<img src=x onerror=/);
  assert.equal(await page.locator('#log img').count(), 0, 'a message stays text');
  assert.notEqual(await page.title(), 'owned');
  // A short text that nothing resembles yet, and one that was just there; Chromium compresses everything.
  await send(page, 'text', 'short');
  await until(page, '#log .in .meta', /text5 Buncompressed$/);
  await until(page, '#log .out .meta', /text5 Bcompressed to \d+ B$/);
  for (let count = 0; count < 2; count += 1) await send(page, 'text', 'the same words once more, and once more');
  await until(page, '#log .in .meta', /text39 Bcompressed to \d B$/);
  await send(page, 'json', '{ "a": [1, 2] }');
  await until(page, '#log .in pre', /^\{\n {2}"a": \[\n/);
  await send(page, 'json', '{ "a": ');
  await until(page, '#payload-hint', /^Not JSON/);
  await send(page, 'hex', '00 ff 41');
  await until(page, '#log .in pre', /^00 ff 41 +··A$/);
  await send(page, 'hex', '0');
  await until(page, '#payload-hint', /^Hex wants pairs/);
  await send(page, 'base64', 'AQID');
  await until(page, '#log .in pre', /^01 02 03/);
  await page.check('input[value="file"]', { force: true });
  await page.setInputFiles('#file', { name: 'x.bin', mimeType: 'application/octet-stream', buffer: Buffer.alloc(70_000, 7) });
  await page.click('#send');
  await until(page, '#log .in .meta', /binary68\.4 KiB/);
  await until(page, '#counts', /^8 out · 8 in$/);
  await page.check('input[value="text"]', { force: true });
  await page.fill('#payload', 'by keyboard');
  await page.press('#payload', 'Control+Enter');
  await until(page, '#log .in pre', /^by keyboard$/);
  assert.deepEqual(page.problems, []);
  await page.reload();
  await until(page, '#log .in pre', /^by keyboard$/);
  await until(page, '#counts', /^9 out · 9 in$/);
  await page.click('#clear');
  await page.reload();
  await until(page, '#counts', /^$/);
  await context.close();
});

test('codes and reasons of closing are seen from both sides', async () => {
  const page = await workbench();
  await connect(page, '/echo');
  await page.fill('#close-code', '4001');
  await page.fill('#close-reason', 'até logo');
  await page.click('#close');
  await until(page, '#log .note pre', /^Closed with 4001 .*: até logo$/);
  await page.click('#connect');
  await until(page, '#fact-state', /open/);
  await page.fill('#close-code', '1001');
  await page.click('#close');
  await until(page, '#payload-hint', /1000 or 3000 to 4999/);
  await page.click('#connect');
  await connect(page, '/ack');
  await send(page, 'hex', '00');
  await until(page, '#log .note pre', /^Closed with 1003 \(unsupported data\): \S/);
  assert.ok(await metric(server.origin, 'wss_websocket_closed_total', 'code="other"', 'by="client"') >= 1);
  await context.close();
});

test('the page reconnects by itself after the server was gone', async () => {
  const first = await startServer();
  const page = await workbench(first.origin);
  await page.check('#reconnect');
  await connect(page, '/echo');
  await first.stop('SIGKILL');
  await until(page, '#fact-state', /again in|connecting/);
  const second = await startServer(first.port);
  try {
    await until(page, '#fact-state', /open/);
    await send(page, 'text', 'back again');
    await until(page, '#log .in pre', /^back again$/);
    await until(page, '#log .note pre', /^Closed with 1006/);
  } finally {
    await context.close();
    await second.stop();
  }
});

test('the console gets Recebido from /ack, and subprotocols are chosen', async () => {
  const page = await workbench();
  const answer = await exchange(page, wss('/ack'), 'Olá, WebSocket!');
  assert.equal(answer.data, 'Recebido: Olá, WebSocket!');
  assert.match(answer.extensions, /^permessage-deflate/);
  assert.equal((await exchange(page, wss('/ack'), 'x', ['superchat', 'chat'])).protocol, 'chat');
  assert.equal((await exchange(page, wss('/drone'), '{"command":"status"}', ['drone.v1.json'])).protocol, 'drone.v1.json');
  await context.close();
});

test('the dashboard moves with what happens', async () => {
  // A server of its own: on the others' the pages of the tests before may still be counted.
  const busy = await startServer();
  try {
    const page = await workbench(busy.origin);
    await until(page, '#feed-text', /^live over HTTP\/2$/);
    await until(page, '#fig-latency', /^\d/);
    await until(page, '#fig-connections', /^1$/);
    const picture = () => page.evaluate(() => document.getElementById('plot-messages').toDataURL());
    const still = await picture();
    await connect(page, '/echo');
    await until(page, '#fig-connections', /^2$/);
    // What does not compress grows by it.
    await page.evaluate((url) => new Promise((resolve) => {
      const socket = new WebSocket(url);
      socket.onopen = () => socket.send(crypto.getRandomValues(new Uint8Array(100)));
      socket.onmessage = () => { socket.close(1000); resolve(); };
    }), `${busy.origin.replace('https', 'wss')}/echo`);
    await until(page, '#fig-saved', /^-[1-9]\d?\.\d %$/);
    const exchanged = page.evaluate((url) => new Promise((resolve) => {
      const socket = new WebSocket(url);
      let left = 200;
      socket.onopen = () => { for (let count = 0; count < 200; count += 1) socket.send('the same words again and again '.repeat(40)); };
      socket.onmessage = () => { left -= 1; if (left === 0) { socket.close(1000); resolve(); } };
    }), `${busy.origin.replace('https', 'wss')}/echo`);
    // The rate stands there for a second only.
    await Promise.all([exchanged, until(page, '#fig-messages', /^[1-9]\d\d?\.\d/)]);
    await until(page, '#fig-saved', /^[89]\d\.\d %$/);
    assert.notEqual(await picture(), still, 'the plot is drawn anew');
  } finally {
    await context.close();
    await busy.stop();
  }
});

test('WebSockets share one HTTP/2 connection, and go over HTTP/1.1 where there is none', async () => {
  const page = await workbench();
  const opened = (http) => metric(server.origin, 'wss_websocket_opened_total', 'route="/echo"', `http="${http}"`, 'deflate="yes"');
  const before = await opened('2');
  await connect(page, '/echo');
  assert.equal(await opened('2'), before + 1);
  await context.close();
  const old = await startBrowser(undefined, ['--disable-http2']);
  try {
    const oldPage = await workbench(server.origin, old);
    const beforeOld = await metric(server.origin, 'wss_websocket_opened_total', 'route="/echo"', 'http="1.1"', 'deflate="yes"');
    await connect(oldPage, '/echo');
    await send(oldPage, 'text', 'the old way');
    await until(oldPage, '#log .in pre', /^the old way$/);
    await until(oldPage, '#feed-text', /^live over HTTP\/1\.1$/);
    assert.equal(await metric(server.origin, 'wss_websocket_opened_total', 'route="/echo"', 'http="1.1"', 'deflate="yes"'), beforeOld + 1);
  } finally {
    await old.close();
  }
});

test('a page of another origin is refused', async () => {
  const site = await startForeignSite();
  try {
    context = await browser.newContext();
    const page = await open(context, site.origin);
    for (const route of ['/ws', '/echo', '/ack', '/drone', '/stats']) {
      const before = await metric(server.origin, 'wss_websocket_refused_total', `route="${route}"`, 'status="403"');
      const ended = await exchange(page, wss(route), 'x');
      assert.deepEqual(ended, { code: 1006, wasClean: false }, route);
      const after = await metric(server.origin, 'wss_websocket_refused_total', `route="${route}"`, 'status="403"');
      assert.ok(after > before, `${route} was refused with 403`);
    }
  } finally {
    await context.close();
    site.stop();
  }
});

test('language and theme are switched and remembered', async () => {
  const page = await workbench();
  await until(page, '#dashboard-title', /^Server, live$/);
  await page.click('#language');
  await until(page, '#dashboard-title', /^Servidor, ao vivo$/);
  assert.equal(await page.getAttribute('html', 'lang'), 'pt-BR');
  const ground = () => page.evaluate(() => getComputedStyle(document.documentElement).backgroundColor);
  const before = await ground();
  await page.click('#theme');
  assert.notEqual(await ground(), before);
  const chosen = await ground();
  await page.reload();
  await until(page, '#dashboard-title', /^Servidor, ao vivo$/);
  assert.equal(await ground(), chosen);
  assert.deepEqual(page.problems, []);
  await context.close();
});

test('everything is reached by the keyboard, in the order in which it is seen', async () => {
  const page = await workbench();
  const reached = [];
  for (let count = 0; count < 40; count += 1) {
    await page.keyboard.press('Tab');
    const id = await page.evaluate(() => {
      const node = document.activeElement;
      const outline = getComputedStyle(node).outlineStyle;
      const beside = node.nextElementSibling ? getComputedStyle(node.nextElementSibling).outlineStyle : 'none';
      return { name: node.id || node.dataset.route || node.value || node.textContent, visible: outline !== 'none' || beside !== 'none' };
    });
    reached.push(id.name);
    assert.ok(id.visible, `the focus is seen on ${id.name}`);
    if (id.name === 'log') break;
  }
  const order = ['language', 'theme', '/ws', 'address', 'protocols', 'connect', 'reconnect', 'text', 'payload', 'close-code', 'export', 'clear', 'log'];
  const found = order.map((name) => reached.indexOf(name));
  assert.ok(found.every((at, index) => at >= 0 && (index === 0 || at > found[index - 1])), `${order} at ${found} of ${reached}`);
  await context.close();
});
