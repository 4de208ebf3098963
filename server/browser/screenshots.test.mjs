// The pages as they look: on a desk and on a phone, dark and light, in both languages. Kept for people to look at; checked
// for what a machine can see.
import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { open, startBrowser, startServer, until } from './harness.mjs';

const DESK = { width: 1360, height: 900 };
const PHONE = { width: 390, height: 844 };
const NARROW = { width: 320, height: 640 };

let server;
let browser;
before(async () => {
  mkdirSync(process.env.SCREENSHOTS, { recursive: true });
  [server, browser] = await Promise.all([startServer(), startBrowser()]);
});
after(async () => {
  await browser?.close();
  await server?.stop();
});

/** Nothing sticks out to the side, and every control has a name. */
async function check(page, what) {
  const found = await page.evaluate(() => {
    const wide = document.documentElement.scrollWidth - document.documentElement.clientWidth;
    const name = (node) => node.getAttribute('aria-label') || node.textContent.trim() || [...(node.labels ?? [])].map((label) => label.textContent.trim()).join('');
    const nameless = [...document.querySelectorAll('button, input, textarea, a, canvas')].filter((node) => !name(node)).map((node) => node.outerHTML);
    const small = [...document.querySelectorAll('main button')].filter((node) => node.checkVisibility() && node.getBoundingClientRect().height < 32).map((node) => node.outerHTML);
    return { wide, nameless, small };
  });
  assert.deepEqual(found, { wide: 0, nameless: [], small: [] }, what);
  assert.deepEqual(page.problems, [], what);
}

async function shoot(viewport, theme, language, name, prepare, path) {
  const context = await browser.newContext({ viewport, colorScheme: theme, locale: language === 'pt' ? 'pt-BR' : 'en-GB', deviceScaleFactor: viewport === PHONE ? 2 : 1 });
  const page = await open(context, server.origin + path);
  assert.equal(await page.getAttribute('html', 'lang'), language === 'pt' ? 'pt-BR' : 'en');
  await prepare(page);
  await check(page, `${name} ${theme} ${language} ${viewport.width}`);
  await page.evaluate(() => scrollTo(0, 0));
  const file = `${name}-${viewport.width}-${theme}-${language}.png`;
  await page.screenshot({ path: join(process.env.SCREENSHOTS, file), fullPage: viewport !== DESK });
  await context.close();
}

async function talk(page) {
  await page.click('[data-route="/echo"]');
  await page.click('#connect');
  await until(page, '#fact-state', /open|aberta/);
  for (const text of ['Olá, WebSocket!', '{"temperature":21.5,"unit":"°C","rooms":["kitchen","attic"]}', '<img src=x onerror=alert(1)>']) {
    await page.fill('#payload', text);
    await page.click('#send');
  }
  await page.check('input[value="hex"]', { force: true });
  await page.fill('#payload', '48 65 6c 6c 6f 20 f0 9f 8c 8d 00 ff');
  await page.click('#send');
  await until(page, '#log .in pre', /48 65 6c 6c 6f/);
  await until(page, '#fig-latency', /\d/);
  await page.waitForFunction(() => document.querySelector('#sub-connections').textContent.trim().length > 3);
  // Some seconds of plot are more to look at than one, with a feed meanwhile.
  await page.evaluate(() => new Promise((resolve) => {
    const socket = new WebSocket('/echo');
    const trade = (number) => JSON.stringify({ type: 'match', trade_id: 88e7 + number, side: number % 3 ? 'buy' : 'sell', size: ((number * 7919) % 10_000) / 1e4, price: 61_000 + ((number * 31) % 900), product_id: 'BTC-EUR' });
    let sent = 0;
    socket.onopen = () => {
      const timer = setInterval(() => {
        for (let count = 0; count < 5; count += 1) socket.send(trade(sent += 1));
        if (sent >= 400) { clearInterval(timer); socket.close(1000); }
      }, 50);
    };
    socket.onclose = () => resolve();
  }));
  await until(page, '#fig-saved', /^[5-9]\d/);
}

async function fly(page) {
  await until(page, '#link-text', /connected|conectado/);
  await page.click('[data-command="takeoff"]');
  await until(page, '#t-phase', /hovering|pairando/);
  await page.fill('#command', 'speed 12');
  await page.press('#command', 'Enter');
  for (const line of ['goto 18 6 9', 'goto 20 24 14']) {
    await page.fill('#command', line);
    await page.press('#command', 'Enter');
    await until(page, '#t-phase', /flying|voando/);
    if (line.startsWith('goto 18')) await until(page, '#t-phase', /hovering|pairando/);
  }
  // On the way, with the target still ahead.
  await page.waitForTimeout(700);
}

let rooms = 0;

/** A conversation of three in one room, and something unread in another. */
async function chat(page) {
  rooms += 1;
  const [garden, news] = [`garden-${rooms}`, `news-${rooms}`];
  const others = await open(page.context(), `${server.origin}/drone.html`);
  const join = (room, name) => others.evaluate(([where, who]) => new Promise((resolve) => {
    const socket = new WebSocket(`/chat/${where}?name=${encodeURIComponent(who)}`, ['chat.v1.json']);
    socket.onopen = () => resolve();
    window[`${where} ${who}`] = socket;
  }), [room, name]);
  const tell = (room, name, text) => others.evaluate(([who, what]) => window[who].send(JSON.stringify({ type: 'message', text: what })), [`${room} ${name}`, text]);
  const say = async (text) => {
    await page.fill('#text', text);
    await page.press('#text', 'Enter');
    await until(page, '#entries .out[data-state="stored"] .said', new RegExp(text.slice(0, 8).replace(/[?*.]/gu, '.')));
  };
  const heard = (text) => until(page, '#entries .in .said', new RegExp(text.slice(0, 12).replace(/[?*.()<]/gu, '.')));
  const enter = async (room) => {
    if (!await page.locator('#name').isVisible()) await page.click('#join-panel > summary');
    await page.fill('#name', 'ana');
    await page.fill('#room', room);
    await page.click('#join');
    await until(page, '#link-text', /^(connected|conectado) /);
  };
  await join(garden, 'João');
  await tell(garden, 'João', 'Bom dia! Who waters the tomatoes this week?');
  await enter(news);
  await enter(garden);
  await heard('Bom dia! Who');
  await say('I do, until Thursday.');
  await join(garden, 'مريم');
  await tell(garden, 'مريم', 'صباح الخير، أنا يوم الجمعة.');
  await heard('صباح الخير');
  await tell(garden, 'João', '<img src=x onerror=alert(1)> is only text here, and so is \u202ethis\u202c.\nA second line, and a word that does not end: Donaudampfschifffahrtselektrizitätenhauptbetriebswerkbauunterbeamtengesellschaft.');
  await heard('<img src=x');
  await say('Good. I have put it on the list.');
  await join(news, 'press');
  await tell(news, 'press', 'Rain from Saturday on; the roof of the greenhouse is to be closed by Friday evening.');
  await until(page, '#toasts .toast', /Rain from/);
  await page.fill('#text', 'And the beans?');
}

const LOOKS = [[DESK, 'dark', 'en'], [DESK, 'light', 'pt'], [PHONE, 'light', 'en'], [PHONE, 'dark', 'pt'], [NARROW, 'dark', 'pt']];

// They mostly wait for the drone to fly and the plots to fill: a few at once take as long as one.
describe('screenshots', { concurrency: 4 }, () => {
  for (const [viewport, theme, language] of LOOKS) {
    const look = `${viewport.width}, ${theme}, ${language}`;
    test(`workbench at ${look}`, () => shoot(viewport, theme, language, 'workbench', talk, '/'));
    test(`chat at ${look}`, () => shoot(viewport, theme, language, 'chat', chat, '/chat.html'));
    test(`drone at ${look}`, () => shoot(viewport, theme, language, 'drone', fly, '/drone.html'));
  }
});
