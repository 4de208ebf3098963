// Runs scenarios against a server with the `ws` library: node client.js SCENARIOS.json
'use strict';

const fs = require('fs');
const WebSocket = require('ws');
const { agreed, message, say, tap } = require('./common.js');

const TIMEOUT_MS = 60_000;

function offer(scenario) {
  const asked = scenario.offer;
  return {
    threshold: 0,
    serverNoContextTakeover: asked.server_no_context_takeover || undefined,
    clientNoContextTakeover: asked.client_no_context_takeover || undefined,
    serverMaxWindowBits: asked.server_max_window_bits,
    // ws offers the parameter without a value unless told otherwise.
    clientMaxWindowBits: asked.client_max_window_bits ?? false,
  };
}

function run(scenario) {
  return new Promise((resolve) => {
    const socket = new WebSocket(scenario.url, {
      ca: scenario.ca && fs.readFileSync(scenario.ca),
      perMessageDeflate: offer(scenario),
      maxPayload: 64 << 20,
    });
    const record = { agreed: null, wire: [], close: null };
    const timer = setTimeout(() => fail(new Error(`not done after ${TIMEOUT_MS} ms`)), TIMEOUT_MS);
    const end = () => {
      clearTimeout(timer);
      resolve(record);
    };
    const fail = (error) => {
      record.error ??= String(error);
      socket.terminate();
      end();
    };
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
    socket.on('open', () => {
      record.agreed = agreed(socket);
      record.wire = tap(socket);
      next();
    });
    socket.on('message', (data, binary) => {
      const expected = scenario.reply ?? sent;
      const same = binary === (typeof expected !== 'string') && data.equals(Buffer.from(expected));
      if (!same) fail(new Error(`message came back as ${data.subarray(0, 80)}`));
      else next();
    });
    socket.on('error', fail);
    socket.on('close', (code, reason) => {
      record.close = [code, reason.toString()];
      end();
    });
  });
}

(async () => {
  for (const scenario of JSON.parse(fs.readFileSync(process.argv[2], 'utf8'))) say(await run(scenario));
})();
