// Exchanges many messages with an echo server, in any JavaScript that has a WebSocket; loaded by interop/node/many.js and
// server/browser/many.test.mjs, which gives its source to a page. interop/README.md has the messages.
'use strict';

/** Sends `count` messages, 32 at a time, and resolves to { extensions, messages } once each came back as it was. */
function many(socket, count) {
  const IN_FLIGHT = 32;

  function message(number) {
    if (number % 10 === 9) {
      return Uint8Array.from({ length: (number * 7) % 300 }, (_, at) => (number * 31 + at * at * 17) & 255);
    }
    const side = number % 3 ? 'buy' : 'sell';
    const text = `{"type":"trade","n":${number},"side":"${side}","price":${(number * 7919) % 100_000},"note":"olá"}`;
    return number % 100 === 50 ? text.repeat(1 + (number % 7) * 20) : text;
  }

  function isSame(data, sent) {
    if (typeof sent === 'string') return data === sent;
    if (typeof data === 'string') return false;
    const bytes = new Uint8Array(data);
    return bytes.length === sent.length && sent.every((byte, at) => bytes[at] === byte);
  }

  socket.binaryType = 'arraybuffer';
  return new Promise((resolve, reject) => {
    let sent = 0;
    let received = 0;
    const fill = () => {
      for (; sent < count && sent - received < IN_FLIGHT; sent += 1) socket.send(message(sent));
    };
    socket.onopen = fill;
    socket.onmessage = ({ data }) => {
      if (!isSame(data, message(received))) {
        reject(new Error(`message ${received} came back otherwise`));
        socket.close(4000);
        return;
      }
      received += 1;
      if (received === count) socket.close(1000);
      else fill();
    };
    socket.onclose = ({ code }) => {
      if (code === 1000 && received === count) resolve({ extensions: socket.extensions, messages: received });
      else reject(new Error(`closed with ${code} after ${received} of ${count} messages`));
    };
  });
}

if (typeof module !== 'undefined') module.exports = { many };
