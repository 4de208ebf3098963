// The drone, flown by buttons, keys, the map and the command line; alone and together.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { open, startBrowser, startServer, until } from './harness.mjs';

let server;
let browser;
before(async () => {
  [server, browser] = await Promise.all([startServer(), startBrowser()]);
});
after(async () => {
  await browser?.close();
  await server?.stop();
});

async function cockpit(query = '', locale = 'en-GB') {
  const context = await browser.newContext({ locale, viewport: { width: 1360, height: 1100 }, reducedMotion: 'reduce' });
  const page = await open(context, `${server.origin}/drone.html${query}`);
  await until(page, '#link-text', /^(connected|conectado)/);
  return page;
}

async function command(page, line) {
  await page.fill('#command', line);
  await page.press('#command', 'Enter');
}

const hovering = (page) => page.waitForSelector('#t-phase[data-phase="hovering"]');
const number = async (page, id) => Number((await page.textContent(id)).replace(',', '.'));

// They mostly wait for a drone to fly: side by side they take as long as the longest.
describe('drone', { concurrency: 3 }, () => {
  test('buttons take off, move, turn, climb, stop and land', async () => {
    const page = await cockpit();
    await page.click('[data-command="forward"]');
    await until(page, '#answers li.bad', /the drone is on the ground/);
    await page.click('[data-command="takeoff"]');
    await hovering(page);
    assert.equal(await number(page, '#t-altitude'), 2);
    await page.click('[data-command="rotate-right"]');
    await until(page, '#t-heading', /^45$/);
    await page.click('[data-command="rotate-right"]');
    await until(page, '#t-heading', /^90$/);
    await page.click('[data-command="forward"]');
    await until(page, '#t-place', /^5\.0 m east, (-?)0\.0 m north$/);
    await hovering(page);
    await page.click('[data-command="up"]');
    await until(page, '#t-altitude', /^7\.0$/);
    await page.click('[data-command="left"]');
    await page.waitForSelector('#t-phase[data-phase="flying"]');
    await page.click('[data-command="stop"]');
    await hovering(page);
    await page.click('[data-command="land"]');
    await page.waitForSelector('#t-phase[data-phase="grounded"]');
    assert.equal(await number(page, '#t-altitude'), 0);
    assert.deepEqual(page.problems, []);
    await page.context().close();
  });

  test('keys fly the drone, but not while somebody writes', async () => {
    const page = await cockpit();
    await page.locator('body').press('t');
    await hovering(page);
    await page.keyboard.press('w');
    await until(page, '#t-place', /0\.0 m east, 5\.0 m north$/);
    await page.keyboard.press('ArrowRight');
    await until(page, '#t-place', /^5\.0 m east, 5\.0 m north$/);
    await page.keyboard.press('r');
    await until(page, '#t-altitude', /^7\.0$/);
    await page.keyboard.press('q');
    await until(page, '#t-heading', /^315$/);
    const answers = await page.locator('#answers li').count();
    await page.focus('#command');
    await page.keyboard.type('wasd lt');
    assert.equal(await page.inputValue('#command'), 'wasd lt');
    assert.equal(await page.locator('#answers li').count(), answers);
    await page.locator('#sky-title').click();
    await page.keyboard.press('l');
    await page.waitForSelector('#t-phase[data-phase="grounded"]');
    await page.context().close();
  });

  test('the command line answers each command once, and says what is wrong', async () => {
    const page = await cockpit();
    const cases = [
      ['takeoff', /^oktakeoff: climbing to 2\.0 m$/], ['status', /^okstatus: the drone is/], ['speed 15', /^okspeed 15:/],
      ['help', /^okhelp: takeoff · land · forward distance/], ['jump 3', /^errorunknown command `jump`; `help` lists the commands$/], ['speed 99', /^errorspeed must be from 0\.5 to 15, got 99$/],
      ['forward', /^errordistance must be a number, got `nothing`$/], ['goto 1 2 3 4', /^error`goto` has no field `argument 4`$/], ['<img src=x>', /^errorunknown command `<img`; `help` lists the commands$/],
    ];
    for (const [index, [line, answer]] of cases.entries()) {
      await command(page, line);
      await page.waitForFunction((count) => document.querySelectorAll('#answers li').length === count, index + 1);
      assert.match(await page.locator('#answers li').last().textContent(), answer, line);
    }
    assert.equal(await page.locator('#answers img').count(), 0);
    await hovering(page);
    await command(page, 'goto 0 0 500');
    await until(page, '#answers li.bad', /z must be from 0 to 300|altitude would be/);
    await page.context().close();
  });

  test('a page in Portuguese says in Portuguese what the drone answers', async () => {
    const page = await cockpit('', 'pt-BR');
    const cases = [
      ['status', /^okstatus: o drone está no chão$/], ['forward 5', /^erroro drone está no chão; antes, `takeoff`$/], ['takeoff', /^oktakeoff: subindo a 2,0 m$/], ['forward 5', /^erroro drone está decolando; espere/],
      ['speed 99', /^errorspeed deve ir de 0,5 a 15, veio 99$/], ['jump 3', /^errorcomando desconhecido `jump`/], ['speed 2.5', /^okspeed 2\.5: a velocidade de cruzeiro é 2,5 m\/s$/],
      ['telemetry on', /^oktelemetry on: a telemetria está ligada$/],
    ];
    for (const [index, [line, answer]] of cases.entries()) {
      await command(page, line);
      await page.waitForFunction((count) => document.querySelectorAll('#answers li').length === count, index + 1);
      assert.match(await page.locator('#answers li').last().textContent(), answer, line);
    }
    await hovering(page);
    await command(page, 'goto 150 0 2');
    await until(page, '#answers li.bad', /x seria 150 m, o permitido vai de -100 a 100/);
    await command(page, 'forward 6');
    await until(page, '#answers li', /forward 6: voando 6,0 m até \(0,0, 6,0, 2,0\)/);
    assert.deepEqual(page.problems, []);
    await page.context().close();
  });

  test('a click on the map flies there, and the drawing follows', async () => {
    const page = await cockpit();
    await command(page, 'takeoff');
    await hovering(page);
    const picture = () => page.evaluate(() => document.getElementById('sky').toDataURL());
    const before = await picture();
    const box = await page.locator('#sky').boundingBox();
    await page.mouse.click(box.x + box.width * 0.7, box.y + box.height * 0.45);
    await until(page, '#answers li', /goto [\d.]+ [\d.]+ 2: flying/);
    await page.waitForSelector('#t-phase[data-phase="flying"]');
    await hovering(page);
    assert.match(await page.textContent('#t-place'), /^[1-9][\d.]* m east, [\d.]+ m north$/);
    assert.notEqual(await picture(), before);
    await page.click('#zoom-out');
    assert.match(await page.getAttribute('#sky', 'aria-label'), /m east and .* m north of the pad, 2 m up$/);
    await page.context().close();
  });

  test('a drone under a name is flown and seen by all who use it', async () => {
    const pilot = await cockpit('?id=alpha');
    const guest = await open(pilot.context(), `${server.origin}/drone.html?id=alpha`);
    const other = await open(pilot.context(), `${server.origin}/drone.html?id=beta`);
    await until(pilot, '#t-members', /^2 connections$/);
    await pilot.click('[data-command="takeoff"]');
    await hovering(guest);
    await command(guest, 'goto 3 4 5');
    await until(pilot, '#t-place', /^3\.0 m east, 4\.0 m north$/);
    assert.equal(await other.textContent('#t-altitude'), '0.0');
    await guest.close();
    await command(pilot, 'status');
    await until(pilot, '#t-members', /^only you$/);
    const refused = await open(pilot.context(), `${server.origin}/drone.html?id=no%20name`);
    await until(refused, '#link-text', /^refused: drone id must be 1 to 32/);
    await pilot.context().close();
  });

  test('without a subprotocol a text command gets one text answer', async () => {
    const page = await cockpit();
    const told = await page.evaluate((url) => new Promise((resolve) => {
      const socket = new WebSocket(url);
      const lines = ['takeoff', 'dance', 'telemetry on'];
      const answers = [];
      socket.onopen = () => socket.send(lines[0]);
      socket.onmessage = ({ data }) => {
        answers.push(data);
        if (answers.length < lines.length) socket.send(lines[answers.length]);
        if (answers.length === lines.length + 3) { resolve({ answers, protocol: socket.protocol }); socket.close(1000); }
      };
    }), `${server.origin.replace('https', 'wss')}/drone`);
    assert.equal(told.protocol, '');
    assert.match(told.answers[0], /^ok takeoff: climbing to 2\.0 m \[taking_off /);
    assert.match(told.answers[1], /^error unknown_command: unknown command `dance`/);
    assert.match(told.answers[2], /^ok telemetry on: /);
    for (const line of told.answers.slice(3)) assert.match(line, /^telemetry taking_off x=0\.00 y=0\.00 z=[\d.]+ /);
    await page.context().close();
  });

  test('too many commands at once, and binary ones, end the connection', async () => {
    const page = await cockpit();
    const ended = (what) => page.evaluate(([url, kind]) => new Promise((resolve) => {
      const socket = new WebSocket(url);
      let answers = 0;
      socket.onopen = () => {
        if (kind === 'binary') socket.send(new Uint8Array(3));
        else for (let count = 0; count < 1000; count += 1) socket.send('status');
      };
      socket.onmessage = () => { answers += 1; };
      socket.onclose = ({ code, reason }) => resolve({ code, reason, answers });
    }), [`${server.origin.replace('https', 'wss')}/drone`, what]);
    const flood = await ended('flood');
    assert.equal(flood.code, 1008);
    assert.ok(flood.answers >= 400 && flood.answers < 600, `${flood.answers} were answered`);
    const binary = await ended('binary');
    assert.equal(binary.code, 1003);
    await page.context().close();
  });

  test('the page connects again after the server was gone', async () => {
    const first = await startServer();
    const context = await browser.newContext({ locale: 'en-GB' });
    const page = await open(context, `${first.origin}/drone.html`);
    await until(page, '#link-text', /^connected/);
    await first.stop('SIGKILL');
    await until(page, '#link-text', /^connection lost/);
    const second = await startServer(first.port);
    await until(page, '#link-text', /^connected/);
    await page.click('[data-command="takeoff"]');
    await hovering(page);
    await context.close();
    await second.stop();
  });
});
