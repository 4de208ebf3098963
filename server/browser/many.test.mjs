// Many messages with each browser's own compression, and the server's defaults.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { startFirefox } from './firefox.mjs';
import { open, startBrowser, startServer } from './harness.mjs';

const MESSAGES = 10_000;
const many = readFileSync(new URL('../../interop/many.js', import.meta.url), 'utf8');

let server;
before(async () => { server = await startServer(); });
after(() => server?.stop());

/** Runs in the page, and gives JSON. */
const script = () => `(() => { ${many}; return many(new WebSocket('${server.origin.replace('https', 'wss')}/echo'), ${MESSAGES}).then(JSON.stringify); })()`;

test('Chromium exchanges 10,000 messages', async () => {
  const browser = await startBrowser();
  try {
    const page = await open(await browser.newContext(), `${server.origin}/healthz`);
    const { extensions, messages } = JSON.parse(await page.evaluate(script()));
    assert.equal(messages, MESSAGES);
    // Both contexts are kept, and the client's window is small.
    assert.equal(extensions, 'permessage-deflate; client_max_window_bits=11');
  } finally {
    await browser.close();
  }
});

test('Firefox exchanges 10,000 messages', async () => {
  const firefox = await startFirefox();
  try {
    await firefox.goto(`${server.origin}/healthz`);
    const { extensions, messages } = JSON.parse(await firefox.evaluate(script()));
    assert.equal(messages, MESSAGES);
    // It tells the name alone.
    assert.equal(extensions, 'permessage-deflate');
  } finally {
    await firefox.stop();
  }
});
