// Runs scenarios against a server in headless Chromium: node client.mjs SCENARIOS.json
//
// A page cannot choose what the browser offers (permessage-deflate; client_max_window_bits), nor see what came over the
// wire: `offer` is passed over and `wire` stays empty.

import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';

const { chromium } = createRequire(import.meta.url)('playwright-core');
const TIMEOUT_MS = 60_000;

/** Runs in the page. */
async function run({ scenario, timeout }) {
  // The message of one kind and size: text that compresses to about half, or bytes that do not compress.
  function message(kind, size) {
    const out = new Uint8Array(size + 16);
    const view = new DataView(out.buffer);
    let state = size >>> 0;
    let length = 0;
    while (length < size) {
      state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
      if (kind === 'text') {
        const words = new TextEncoder().encode(`${state.toString(16).padStart(8, '0')} olá `);
        out.set(words, length);
        length += words.length;
      } else {
        view.setUint32(length, state);
        length += 4;
      }
    }
    const whole = out.subarray(0, size);
    if (kind === 'binary') return whole;
    if (size > 0 && whole[size - 1] === 0xc3) whole[size - 1] = 0x2e;
    return new TextDecoder().decode(whole);
  }

  function agreed(extensions) {
    if (!extensions.startsWith('permessage-deflate')) return null;
    const given = new Map(extensions.split(';').slice(1).map((part) => part.trim().split('=')));
    return {
      server_no_context_takeover: given.has('server_no_context_takeover'),
      client_no_context_takeover: given.has('client_no_context_takeover'),
      server_max_window_bits: Number(given.get('server_max_window_bits') ?? 15),
      client_max_window_bits: Number(given.get('client_max_window_bits') ?? 15),
    };
  }

  const same = (data, sent) =>
    typeof sent === 'string' ? data === sent : data.byteLength === sent.length && new Uint8Array(data).every((byte, i) => byte === sent[i]);

  return new Promise((resolve) => {
    const socket = new WebSocket(scenario.url);
    socket.binaryType = 'arraybuffer';
    const record = { agreed: null, wire: [], close: null };
    const fail = (error) => {
      record.error ??= error;
      resolve(record);
      socket.close();
    };
    setTimeout(() => fail(`not done after ${timeout} ms`), timeout);
    const queue = scenario.messages.map(([kind, size]) => message(kind, size));
    let sent;
    const next = () => {
      if (queue.length > 0) {
        sent = queue.shift();
        socket.send(sent);
      } else if (scenario.code) {
        socket.close(scenario.code, scenario.reason);
      }
    };
    socket.onopen = () => {
      record.agreed = agreed(socket.extensions);
      next();
    };
    socket.onmessage = ({ data }) => (same(data, sent) ? next() : fail('a message came back otherwise'));
    socket.onclose = ({ code, reason }) => {
      record.close = [code, reason];
      resolve(record);
    };
  });
}

const browser = await chromium.launch({
  executablePath: '/usr/bin/chromium',
  args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'],
});
try {
  const page = await browser.newPage();
  for (const scenario of JSON.parse(readFileSync(process.argv[2], 'utf8'))) {
    process.stdout.write(`${JSON.stringify(await page.evaluate(run, { scenario, timeout: TIMEOUT_MS }))}\n`);
  }
} finally {
  await browser.close();
}
