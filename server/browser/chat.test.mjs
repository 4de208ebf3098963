// The chat page: people in rooms, and what becomes of their words when servers and wires fail.
import assert from 'node:assert/strict';
import { createHmac, randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { emptyHome, open, request, startBrowser, startServer, startWire, stopAll, until } from './harness.mjs';

let server;
let browser;
before(async () => {
  [server, browser] = await Promise.all([startServer(), startBrowser()]);
});
after(async () => {
  await browser?.close();
  await server?.stop();
  await stopAll();
});

let numbered = 0;
/** The name of a room that no other test uses. */
const aRoom = () => { numbered += 1; return `room-${numbered}`; };

/** Somebody with a browser of their own, in a room. */
async function enter(room, name, { origin = server.origin, ...more } = {}) {
  const context = await browser.newContext({ locale: 'en-GB', viewport: { width: 1200, height: 800 }, ...more });
  const page = await open(context, `${origin}/chat.html`);
  await join_(page, room, name);
  await until(page, '#link-text', /^connected as/);
  return page;
}

async function join_(page, room, name) {
  if (!await page.locator('#name').isVisible()) await page.click('#join-panel > summary');
  await page.fill('#name', name);
  await page.fill('#room', room);
  await page.click('#join');
}

async function say(page, text) {
  await page.fill('#text', text);
  await page.press('#text', 'Enter');
}

const said = (page) => page.locator('#entries .said').allTextContents();
const stored = (page, text) => page.waitForFunction((wanted) => [...document.querySelectorAll('#entries .out[data-state="stored"] .said')].some((node) => node.textContent === wanted), text);
const quit = (...pages) => Promise.all(pages.map((page) => page.context().close()));

/** A member without the page: a WebSocket in lines of text, or as `protocols` say, that says some things. */
function plain(page, room, name, lines, protocols = []) {
  return page.evaluate(([path, texts, names]) => new Promise((resolve, reject) => {
    const socket = new WebSocket(path, names);
    window.heard = [];
    window.plain = socket;
    socket.onmessage = ({ data }) => window.heard.push(data);
    socket.onerror = () => reject(new Error('no connection'));
    socket.onopen = () => {
      for (const text of texts) socket.send(text);
      resolve(socket.protocol);
    };
  }), [`/chat/${room}?name=${name}`, lines, protocols]);
}

/** A page that does nothing, from which such a member can speak. */
async function elsewhere() {
  const context = await browser.newContext();
  return open(context, `${server.origin}/drone.html`);
}

describe('chat', { concurrency: 3 }, () => {
  test('two browsers and a plain WebSocket talk in one room', async () => {
    const room = aRoom();
    const [ana, third] = [await enter(room, 'ana'), await elsewhere()];
    const bob = await enter(room, 'João');
    assert.equal(await plain(third, room, 'carl', []), '');
    await until(ana, '#members-title', /^Here now: 3$/);
    await until(bob, '#members', /ana.*carl.*Joãoyou/);
    await until(ana, '#entries .presence', /João.? came/);
    await say(ana, 'hello, all');
    await stored(ana, 'hello, all');
    await until(ana, '#entries .out .meta', /anayou\d\d:\d\dstored ✓/);
    await until(bob, '#entries .in .said', /^hello, all$/);
    await until(bob, '#entries .in .meta', /ana\d\d:\d\d$/);
    await bob.fill('#text', 'first');
    await bob.press('#text', 'Shift+Enter');
    await bob.keyboard.type('second');
    await bob.press('#text', 'Enter');
    await until(ana, '#entries .in .said', /^first\nsecond$/);
    await third.evaluate(() => window.plain.send('a line'));
    await until(ana, '#entries .in .said', /^a line$/);
    await until(ana, '#entries .in .meta', /carl/);
    await third.waitForFunction(() => window.heard.length === 3);
    assert.deepEqual(await third.evaluate(() => window.heard), ['ana: hello, all', 'João: first\n    second', 'carl: a line']);
    for (const page of [ana, bob]) assert.deepEqual(await said(page), ['hello, all', 'first\nsecond', 'a line']);
    await third.evaluate(() => window.plain.close(1000));
    await until(ana, '#entries .presence', /carl.? left/);
    await until(ana, '#members-title', /^Here now: 2$/);
    assert.match(ana.url(), new RegExp(`#${room}$`));
    assert.deepEqual([...ana.problems, ...bob.problems], []);
    await quit(ana, bob, third);
  });

  test('who comes late reads what was said, and can go further back', async () => {
    const room = aRoom();
    const third = await elsewhere();
    const lines = Array.from({ length: 120 }, (_, index) => `line ${index + 1}`);
    await plain(third, room, 'carl', lines);
    await third.waitForFunction(() => window.heard.length === 120);
    const ana = await enter(room, 'ana');
    await until(ana, '#entries .said', /^line 120$/);
    assert.deepEqual(await said(ana), lines.slice(70));
    for (const from of [20, 0]) {
      await ana.click('#older');
      await until(ana, '#entries .said', new RegExp(`^line ${from + 1}$`));
      assert.deepEqual(await said(ana), lines.slice(from));
    }
    await ana.waitForSelector('#older', { state: 'hidden' });
    // What was being read stays in sight when older lines come in above it.
    assert.ok(await ana.locator('#log').evaluate((log) => log.scrollTop > 100));
    assert.deepEqual(ana.problems, []);
    await quit(ana, third);
  });

  test('what is written while the wire is cut arrives once, and what was missed comes', async () => {
    const room = aRoom();
    const wire = await startWire(server.port);
    const ana = await enter(room, 'ana', { origin: wire.origin });
    const bob = await enter(room, 'bob');
    const sent = [];
    ana.on('websocket', (socket) => socket.on('framesent', ({ payload }) => sent.push(JSON.parse(payload))));
    await say(ana, 'before');
    await stored(ana, 'before');
    // The server hears and answers, but the answer is lost.
    wire.isMute = true;
    await say(ana, 'answer lost');
    await until(bob, '#entries .said', /^answer lost$/);
    assert.equal(await ana.locator('#entries .out').last().getAttribute('data-state'), 'sending');
    wire.cut(true);
    // The first words give way to the others at the first try that fails, which may be at once.
    await until(ana, '#link-text', /^(connection lost \(1006\)|no connection), trying again$/);
    await say(ana, 'while cut');
    await until(ana, '#entries .out .meta', /waits for the connection/);
    await ana.screenshot({ path: join(process.env.SCREENSHOTS, 'chat-cut.png') });
    await say(bob, 'missed by ana');
    await stored(bob, 'missed by ana');
    wire.mend();
    await until(ana, '#link-text', /^connected again as .?ana.?, nothing was missed$/);
    await stored(ana, 'while cut');
    // The browser sends, but nothing arrives.
    wire.isDeaf = true;
    await say(ana, 'never arrived');
    await ana.waitForFunction(() => document.querySelector('#entries .out:last-of-type')?.dataset.state === 'sending');
    wire.cut();
    await stored(ana, 'never arrived');
    await say(ana, 'after');
    await until(bob, '#entries .said', /^after$/);
    await stored(ana, 'after');
    const all = ['before', 'answer lost', 'missed by ana', 'while cut', 'never arrived', 'after'];
    assert.deepEqual(await said(bob), all);
    assert.deepEqual(await said(ana), all);
    assert.equal(await ana.locator('#entries .gap').count(), 0);
    // Sent twice, called the same: the server could tell that it is one.
    const twice = sent.filter(({ text }) => text === 'never arrived');
    assert.ok(twice.length >= 2 && new Set(twice.map(({ id }) => id)).size === 1, JSON.stringify(sent));
    await quit(ana, bob);
    wire.stop();
  });

  test('a connection on which nothing comes any more is given up', async () => {
    const room = aRoom();
    const wire = await startWire(server.port);
    const ana = await enter(room, 'ana', { origin: wire.origin });
    wire.isMute = true;
    await say(ana, 'is anybody there?');
    // Nobody tells the browser: only the missing answer shows it.
    await ana.waitForSelector('#entries .out[data-state="waiting"]');
    wire.cut();
    await stored(ana, 'is anybody there?');
    assert.deepEqual(await said(ana), ['is anybody there?']);
    await quit(ana);
    wire.stop();
  });

  test('after the server was killed and started anew everybody is back, and is told that the history began anew', async () => {
    const room = aRoom();
    const first = await startServer();
    const ana = await enter(room, 'ana', { origin: first.origin });
    const bob = await enter(room, 'bob', { origin: first.origin });
    await say(ana, 'one');
    await until(bob, '#entries .said', /^one$/);
    await stored(ana, 'one');
    await first.stop('SIGKILL');
    await until(ana, '#link-text', /^(connection lost \(1006\)|no connection), trying again$/);
    await say(ana, 'two');
    await say(ana, 'three');
    const second = await startServer(first.port);
    await stored(ana, 'three');
    await until(bob, '#entries .said', /^three$/);
    for (const page of [ana, bob]) {
      await until(page, '#link-text', /^connected as/);
      await until(page, '#members-title', /^Here now: 2$/);
      assert.deepEqual(await said(page), ['one', 'two', 'three']);
      assert.match(await page.locator('#entries .gap').textContent(), /^Messages may be missing here\. The history of the server began anew\./);
      // The line stands between what was before and what came after.
      assert.deepEqual(await page.locator('#entries > .entry, #entries > .gap').evaluateAll((items) => items.map((item) => item.classList[1])), page === ana ? ['out', 'gap', 'out', 'out'] : ['in', 'gap', 'in', 'in']);
    }
    await quit(ana, bob);
    await second.stop();
  });

  test('a line stands where messages are missing, with their number', async () => {
    const room = aRoom();
    const forgetful = await startServer(0, ['--rooms-history-messages', '5']);
    const wire = await startWire(forgetful.port);
    const ana = await enter(room, 'ana', { origin: wire.origin });
    const bob = await enter(room, 'bob', { origin: forgetful.origin });
    await say(bob, 'heard');
    await until(ana, '#entries .said', /^heard$/);
    wire.cut(true);
    await until(ana, '#link-text', /^connection lost|^no connection/);
    for (let count = 1; count <= 8; count += 1) await say(bob, `missed ${count}`);
    await stored(bob, 'missed 8');
    wire.mend();
    await until(ana, '#entries .gap', /^3 messages may be missing here\. The server no longer keeps them\./);
    await until(ana, '#entries .said', /^missed 8$/);
    assert.deepEqual(await said(ana), ['heard', 'missed 4', 'missed 5', 'missed 6', 'missed 7', 'missed 8']);
    await ana.screenshot({ path: join(process.env.SCREENSHOTS, 'chat-gap.png') });
    await quit(ana, bob);
    wire.stop();
    await forgetful.stop();
  });

  test('what others write is text, never HTML, and cannot turn the writing around', async () => {
    const room = aRoom();
    const [ana, bob] = [await enter(room, 'ana'), await enter(room, 'bob')];
    const tricks = ['<img src=x onerror="document.title=\'owned\'">', '<b>bold</b> &amp; <script>alert(1)</script>', 'pay \u202e001\u202c now', 'bell\u0007 esc\u001b[31m', '# **no** [markup](javascript:alert(1))'];
    for (const text of tricks) await say(bob, text);
    await until(ana, '#entries .said', /^# \*\*no\*\*/);
    const shown = await said(ana);
    assert.deepEqual(shown, [tricks[0], tricks[1], 'pay U+202E001U+202C now', 'bellU+0007 escU+001B[31m', tricks[4]]);
    assert.equal(await ana.locator('#entries img, #entries b, #entries script, #entries a').count(), 0);
    assert.doesNotMatch(await ana.title(), /owned/);
    assert.equal(await ana.locator('#entries .control').count(), 4);
    // Names with markup do not get in, whoever asks.
    const guest = await open(ana.context(), `${server.origin}/chat.html`);
    await join_(guest, room, '<i>eve</i>');
    await until(guest, '#join-hint', /^A name has up to 64 bytes/);
    assert.equal(await guest.locator('#name').getAttribute('aria-invalid'), 'true');
    await guest.evaluate(() => { location.hash = '#<img src=x>'; });
    await until(guest, '#join-hint', /^A room is called by/);
    const third = await elsewhere();
    await plain(third, room, encodeURIComponent('<i>eve</i>'), [], ['chat.v1.json']);
    await third.waitForFunction(() => window.heard.length > 0);
    assert.match((await third.evaluate(() => window.heard))[0], /"type":"error".*not allowed in a member name/);
    assert.deepEqual([...ana.problems, ...bob.problems, ...guest.problems], []);
    await quit(ana, bob, third);
  });

  test('several rooms side by side: counts, notices, drafts, and an address that can be passed on', async () => {
    const [one, two] = [aRoom(), aRoom()];
    const ana = await enter(one, 'ana');
    await join_(ana, two, 'ana');
    await until(ana, '#talk-title', new RegExp(`^#${two}$`));
    await ana.fill('#text', 'a draft');
    const bob = await enter(one, 'bob');
    await say(bob, 'psst');
    await until(ana, '#toasts .toast', /bob · #.*psst/);
    await until(ana, '#rooms li', /1 new/);
    await until(ana, '#aloud', /^bob · #.*: psst$/);
    assert.match(await ana.title(), /^\(1\) Chat/);
    await ana.click('#toasts .toast-body');
    await until(ana, '#talk-title', new RegExp(`^#${one}$`));
    await until(ana, '#entries .said', /^psst$/);
    assert.match(await ana.title(), /^Chat/);
    assert.equal(await ana.inputValue('#text'), '');
    await ana.click(`#rooms .open:has-text("${two}")`);
    assert.equal(await ana.inputValue('#text'), 'a draft');
    assert.match(ana.url(), new RegExp(`#${two}$`));
    // The address leads somebody else, who has a name already, right into the room.
    const guest = await open(bob.context(), ana.url());
    await until(guest, '#link-text', /^connected as .?bob/);
    await until(ana, '#entries .presence', /bob.? came/);
    // Scrolled up, the end is not forced on the reader.
    await plain(guest, two, 'carl', Array.from({ length: 40 }, (_, index) => `line ${index}`));
    await until(ana, '#entries .said', /^line 39$/);
    await ana.locator('#log').evaluate((log) => { log.scrollTop = 0; });
    await guest.evaluate(() => window.plain.send('news'));
    await until(ana, '#newer', /^1 new message/);
    assert.equal(await ana.locator('#log').evaluate((log) => log.scrollTop), 0);
    await ana.click('#newer');
    await ana.waitForSelector('#newer', { state: 'hidden' });
    await ana.click(`#rooms [aria-label="Leave ${two}"]`);
    await until(ana, '#talk-title', new RegExp(`^#${one}$`));
    // The rooms are there again after a visit elsewhere, the one left is not.
    await ana.goto(`${server.origin}/drone.html`);
    await ana.goto(`${server.origin}/chat.html`);
    await until(ana, '#entries .said', /^psst$/);
    assert.deepEqual(await ana.locator('#rooms .name').allTextContents(), [one]);
    assert.deepEqual(ana.problems, []);
    await quit(ana, bob);
  });

  test('everything is done by keyboard alone', async () => {
    const room = aRoom();
    const context = await browser.newContext({ locale: 'en-GB' });
    const ana = await open(context, `${server.origin}/chat.html#${room}`);
    const focused = () => ana.evaluate(() => document.activeElement.id || document.activeElement.className || document.activeElement.textContent);
    // The address names the room, so the name is what is asked for.
    assert.equal(await focused(), 'name');
    await ana.keyboard.type('ana');
    await ana.keyboard.press('Tab');
    assert.equal(await ana.inputValue('#room'), room);
    await ana.keyboard.press('Enter');
    await until(ana, '#link-text', /^connected as/);
    assert.equal(await focused(), 'text');
    await ana.keyboard.type('typed');
    await ana.keyboard.press('Enter');
    await stored(ana, 'typed');
    assert.equal(await focused(), 'text');
    await ana.keyboard.press('Shift+Tab');
    assert.equal(await focused(), 'log');
    const order = [];
    for (let count = 0; count < 5; count += 1) {
      await ana.keyboard.press('Shift+Tab');
      order.push(await focused());
    }
    assert.deepEqual(order, ['notify', 'Join a room', 'ghost', 'open', 'theme']);
    // Every control is called something, and the lists say what they are.
    assert.equal(await ana.getAttribute('[role="log"]', 'aria-live'), 'polite');
    assert.equal(await ana.getAttribute('#link-text', 'role'), 'status');
    assert.equal(await ana.getByRole('textbox', { name: 'Message' }).count(), 1);
    assert.equal(await ana.getByRole('button', { name: `Leave ${room}` }).count(), 1);
    await ana.getByRole('button', { name: `Leave ${room}` }).focus();
    await ana.keyboard.press('Enter');
    await until(ana, '#link-text', /^in no room$/);
    assert.deepEqual(ana.problems, []);
    await context.close();
  });

  test('the page speaks Portuguese, and what people said stays as it was', async () => {
    const room = aRoom();
    const ana = await enter(room, 'ana');
    await say(ana, 'hello');
    await stored(ana, 'hello');
    await ana.fill('#text', 'a draft');
    await ana.click('#language');
    await until(ana, '#link-text', /^conectado como/);
    await until(ana, '#entries .meta', /você.*guardada ✓/);
    await until(ana, '#members-title', /^Presentes: 1$/);
    await until(ana, '#send', /^Enviar$/);
    await until(ana, '#text-hint', /^Enter envia/);
    assert.equal(await ana.getAttribute('html', 'lang'), 'pt-BR');
    assert.match(await ana.title(), /^Conversa/);
    assert.deepEqual(await said(ana), ['hello']);
    assert.equal(await ana.inputValue('#text'), 'a draft');
    await ana.click('#language');
    await until(ana, '#link-text', /^connected as/);
    await quit(ana);
  });

  test('a message that is too long is not sent, one that the server refuses can be tried again', async () => {
    const room = aRoom();
    const strict = await startServer(0, ['--rooms-max-text-bytes', '100']);
    const [ana, bob] = [await enter(room, 'ana', { origin: strict.origin }), await enter(room, 'bob', { origin: strict.origin })];
    await ana.fill('#text', 'x'.repeat(65_537));
    await until(ana, '#text-size', /^65,537 bytes, at most 65,536 are allowed$/);
    assert.equal(await ana.isDisabled('#send'), true);
    await ana.press('#text', 'Enter');
    assert.equal((await said(ana)).length, 0);
    // The server may allow less than the page knows: it tells why, and nothing else is lost over it.
    await say(ana, 'y'.repeat(101));
    await until(ana, '#entries .bad .failure', /101 bytes, at most 100/);
    await ana.screenshot({ path: join(process.env.SCREENSHOTS, 'chat-refused.png') });
    await say(ana, 'short');
    await until(bob, '#entries .said', /^short$/);
    await ana.click('#entries .failure button');
    await ana.waitForFunction(() => document.querySelectorAll('#entries .bad .failure').length === 1);
    // Larger than any message of the room may be: the connection ends, and the rest goes on over the next one.
    await say(ana, 'z'.repeat(5000));
    await say(ana, 'still here');
    await until(bob, '#entries .said', /^still here$/);
    await stored(ana, 'still here');
    assert.deepEqual(await said(bob), ['short', 'still here']);
    await until(ana, '#entries .bad[data-state="failed"] .said', /^z/);
    await quit(ana, bob);
    await strict.stop();
  });

  test('with tokens the page gets in by one, which is neither in the address nor kept', async () => {
    const room = aRoom();
    const secret = randomBytes(32).toString('hex');
    const key = join(emptyHome(), 'key');
    writeFileSync(key, secret, { mode: 0o600 });
    const guarded = await startServer(0, ['--rooms-token-secret', key]);
    const part = (object) => Buffer.from(JSON.stringify(object)).toString('base64url');
    const sign = (claims) => {
      const body = `${part({ alg: 'HS256', typ: 'JWT' })}.${part({ aud: 'rooms', exp: Math.floor(Date.now() / 1000) + 600, ...claims })}`;
      return `${body}.${createHmac('sha256', secret).update(body).digest('base64url')}`;
    };
    const context = await browser.newContext({ locale: 'en-GB' });
    const ana = await open(context, `${guarded.origin}/chat.html`);
    const addresses = [];
    ana.on('websocket', (socket) => addresses.push(socket.url()));
    await join_(ana, room, 'ana');
    await until(ana, '#link-text', /^the server does not let this page in: a token is needed/);
    const withToken = async (name, token) => {
      if (!await ana.locator('#name').isVisible()) await ana.click('#join-panel > summary');
      if (!await ana.locator('#token').isVisible()) await ana.click('#token-panel > summary');
      await ana.fill('#token', token);
      await join_(ana, room, name);
    };
    await withToken('ana', 'no token');
    await until(ana, '#join-hint', /^That is no token/);
    await withToken('eve', sign({ sub: 'ana', rooms: [room], rights: ['join', 'publish', 'history'] }));
    await until(ana, '#link-text', /^refused: the token is for another name$/);
    // It may read what comes and no more.
    await withToken('', sign({ sub: 'ana', rooms: [room], rights: ['join'] }));
    await until(ana, '#link-text', /^connected as .?ana/);
    await until(ana, '#entries .remark.bad', /does not allow to read the history/);
    await say(ana, 'may I?');
    await until(ana, '#entries .failure', /the token does not allow to publish in the room/);
    const good = sign({ sub: 'ana', rooms: ['room-*'], rights: ['join', 'publish', 'history'] });
    await withToken('ana', good);
    await until(ana, '#link-text', /^connected as .?ana/);
    await say(ana, 'may I now?');
    await stored(ana, 'may I now?');
    assert.ok(addresses.length >= 6 && addresses.every((url) => !url.includes('eyJ')), addresses.join('\n'));
    assert.doesNotMatch(JSON.stringify(await context.storageState()), /eyJ/);
    assert.ok(guarded.lines.every((line) => !line.includes(good)));
    await context.close();
    await guarded.stop();
  });

  test('the browser notifies only those who asked, and only out of sight', async () => {
    const room = aRoom();
    const [ana, bob] = [await enter(room, 'ana'), await enter(room, 'bob')];
    // The browser's own part, asking and showing, cannot be seen from here: what the page asks of it can.
    await ana.evaluate(() => {
      window.asked = 0;
      window.shown = [];
      window.Notification = class extends EventTarget {
        static permission = 'default';
        static async requestPermission() { window.asked += 1; this.permission = 'granted'; return 'granted'; }
        constructor(title, { body, tag }) { super(); window.shown.push({ title, body, tag }); }
        close() {}
      };
    });
    const hide = (isHidden) => ana.evaluate((hidden) => {
      Object.defineProperty(document, 'hidden', { configurable: true, get: () => hidden });
      document.dispatchEvent(new Event('visibilitychange'));
    }, isHidden);
    await hide(true);
    await say(bob, 'not asked');
    await ana.waitForFunction(() => document.title.startsWith('(1)'));
    assert.deepEqual(await ana.evaluate(() => [window.asked, window.shown.length]), [0, 0]);
    await hide(false);
    await ana.click('#notify');
    await until(ana, '#notify', /^Notifying$/);
    await say(bob, 'in sight');
    await until(ana, '#entries .said', /^in sight$/);
    await hide(true);
    await say(bob, '<b>out</b> of sight');
    await ana.waitForFunction(() => window.shown.length === 1);
    assert.deepEqual(await ana.evaluate(() => [window.asked, window.shown]), [1, [{ title: `bob · #${room}`, body: '<b>out</b> of sight', tag: `chat-${room}` }]]);
    await hide(false);
    await ana.waitForFunction(() => document.title.startsWith('Chat'));
    await ana.click('#notify');
    await until(ana, '#notify', /^Notify me$/);
    assert.deepEqual(ana.problems, []);
    await quit(ana, bob);
  });

  test('the page comes with the policy of the others, and the workbench knows the way', async () => {
    for (const path of ['/chat.html', '/chat.js', '/room.js']) {
      const { status, headers } = await request(server.origin + path);
      assert.equal(status, 200, path);
      assert.match(headers['content-security-policy'], /default-src 'none'; script-src 'self'; style-src 'self'/, path);
    }
    const context = await browser.newContext({ locale: 'en-GB' });
    const page = await open(context, `${server.origin}/`);
    await page.click('[data-route^="/chat/"]');
    await until(page, '#route-hint', /^A room: what one says/);
    await page.click('#connect');
    await until(page, '#log .in pre', /"type": "joined",\s+"room": "lobby",\s+"name": "workbench"/);
    await page.click('nav [href="/chat.html"]');
    await until(page, '#talk-title', /^Chat$/);
    assert.deepEqual(page.problems, []);
    await context.close();
  });
});
