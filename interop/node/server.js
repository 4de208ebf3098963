// Echo server with the `ws` library: node server.js [--cert FILE --key FILE] [--demand JSON]
'use strict';

const fs = require('fs');
const http = require('http');
const https = require('https');
const { parseArgs } = require('util');
const { WebSocketServer } = require('ws');
const { agreed, say, tap } = require('./common.js');

const { values } = parseArgs({
  options: { cert: { type: 'string' }, key: { type: 'string' }, demand: { type: 'string', default: '{}' } },
});
const demand = JSON.parse(values.demand);
const server = values.cert
  ? https.createServer({ cert: fs.readFileSync(values.cert), key: fs.readFileSync(values.key) })
  : http.createServer();
const websockets = new WebSocketServer({
  server,
  maxPayload: 64 << 20,
  perMessageDeflate: {
    threshold: 0,
    serverNoContextTakeover: demand.server_no_context_takeover || undefined,
    clientNoContextTakeover: demand.client_no_context_takeover || undefined,
    serverMaxWindowBits: demand.server_max_window_bits,
    clientMaxWindowBits: demand.client_max_window_bits,
  },
});
websockets.on('connection', (socket, request) => {
  const record = { path: request.url, agreed: agreed(socket), wire: tap(socket), close: null };
  const url = new URL(request.url, 'ws://localhost');
  socket.on('message', (data, binary) => socket.send(binary ? data : data.toString()));
  socket.on('error', (error) => { record.error = String(error); });
  socket.on('close', (code, reason) => {
    record.close = [code, reason.toString()];
    say(record);
  });
  if (url.pathname === '/close') {
    socket.close(Number(url.searchParams.get('code')), url.searchParams.get('reason') ?? '');
  }
});
server.listen(0, '127.0.0.1', () => say({ listening: server.address().port }));
