// Exchanges many messages with our server: node many.js URL CA COUNT, with `ws`; under Bun with its own WebSocket.
'use strict';

const fs = require('fs');
const { many } = require('../many.js');

const [url, ca, count] = process.argv.slice(2);
const trusted = fs.readFileSync(ca, 'utf8');

function open() {
  if (process.versions.bun) return new WebSocket(url, { tls: { ca: trusted } });
  const Ws = require('ws');
  return new Ws(url, { ca: trusted });
}

many(open(), Number(count)).then(
  (record) => process.stdout.write(`${JSON.stringify(record)}\n`),
  (error) => {
    process.stderr.write(`${error.message}\n`);
    process.exitCode = 1;
  },
);
