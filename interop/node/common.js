// What the client and the server share: messages, and a tap on the extension that notes what came over the wire.
'use strict';

// The message of one kind and size: text that compresses to about half, or bytes that do not compress.
function message(kind, size) {
  const out = Buffer.alloc(size + 16);
  let state = size >>> 0;
  let length = 0;
  while (length < size) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    if (kind === 'text') length += out.write(`${state.toString(16).padStart(8, '0')} olá `, length);
    else length = out.writeUInt32BE(state, length);
  }
  let whole = out.subarray(0, size);
  if (kind === 'binary') return whole;
  if (size > 0 && whole[size - 1] === 0xc3) whole = Buffer.concat([whole.subarray(0, size - 1), Buffer.from('.')]);
  return whole.toString();
}

// Notes [RSV1, bytes] of each message received in the returned list, before the extension inflates it.
function tap(socket) {
  const wire = [];
  const receiver = socket._receiver;
  const { haveLength, dataMessage } = receiver;
  let bytes = 0;
  receiver.haveLength = function (callback) {
    if (this._opcode < 0x08) bytes += this._payloadLength;
    return haveLength.call(this, callback);
  };
  receiver.dataMessage = function (callback) {
    if (this._fin) {
      wire.push([Boolean(this._compressed), bytes]);
      bytes = 0;
    }
    return dataMessage.call(this, callback);
  };
  return wire;
}

// The four parameters as this implementation holds them.
function agreed(socket) {
  const deflate = socket._extensions['permessage-deflate'];
  if (!deflate) return null;
  const params = deflate.params;
  return {
    server_no_context_takeover: Boolean(params.server_no_context_takeover),
    client_no_context_takeover: Boolean(params.client_no_context_takeover),
    server_max_window_bits: bits(params.server_max_window_bits),
    client_max_window_bits: bits(params.client_max_window_bits),
  };
}

function bits(value) {
  return typeof value === 'number' ? value : 15;
}

// Prints one line of JSON.
function say(record) {
  process.stdout.write(`${JSON.stringify(record)}\n`);
}

module.exports = { agreed, message, say, tap };
