// gRPC-Web from a page: the tutorial's call by fetch, from our own page and from somebody else's.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { open, startBrowser, startForeignSite, startServer } from './harness.mjs';

let server;
let browser;
before(async () => {
  [server, browser] = await Promise.all([startServer(), startBrowser()]);
});
after(async () => {
  await browser?.close();
  await server?.stop();
});

/** Calls SendMessage from the page and gives the status, the reply and the trailers; null if the browser refuses. */
function call(page, origin, text) {
  return page.evaluate(async ([where, what]) => {
    const string = (field, value) => {
      const bytes = new TextEncoder().encode(value);
      return [field * 8 + 2, bytes.length, ...bytes];
    };
    const message = [...string(1, 'Alice'), ...string(2, what)];
    const response = await fetch(`${where}/chat.ChatService/SendMessage`, {
      method: 'POST',
      headers: { 'content-type': 'application/grpc-web+proto', 'x-grpc-web': '1' },
      body: new Uint8Array([0, 0, 0, 0, message.length, ...message]),
    }).catch(() => null);
    if (!response) return null;
    const bytes = new Uint8Array(await response.arrayBuffer());
    const frames = [];
    for (let at = 0; at < bytes.length;) {
      const length = new DataView(bytes.buffer).getUint32(at + 1);
      frames.push({ flag: bytes[at], content: new TextDecoder().decode(bytes.slice(at + 5, at + 5 + length)) });
      at += 5 + length;
    }
    return { status: response.status, frames };
  }, [origin, text]);
}

test('our own page calls the service', async () => {
  const page = await open(await browser.newContext(), `${server.origin}/`);
  const { status, frames } = await call(page, server.origin, 'Olá, gRPC-Web!');
  assert.equal(status, 200);
  assert.deepEqual(frames.map(({ flag }) => flag), [0, 0x80]);
  assert.match(frames[0].content, /^\n.Mensagem recebida: Olá, gRPC-Web!$/s);
  assert.match(frames[1].content, /^grpc-status:\s*0\r?$/m);
});

test('the page of another origin may not', async () => {
  const site = await startForeignSite();
  try {
    const page = await open(await browser.newContext(), site.origin);
    assert.equal(await call(page, server.origin, 'hello'), null);
    assert.ok(page.problems.some((problem) => /CORS/.test(problem)), page.problems.join('\n'));
  } finally {
    site.stop();
  }
});
