#!/usr/bin/env bun
// The rows of Bun's own server for the table of `cargo bench --bench compression`, over the corpora of a directory.
//
// usage: bun bun-compression.mjs DIRECTORY    (corpora as `cargo bench --bench compression -- --write DIRECTORY` makes them)
//
// Bytes are the growth of the server process's resident memory for each of 100 connections.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readdirSync } from "node:fs";
import { connect } from "node:net";
import { basename, join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { messages } from "./corpus.mjs";

const CONNECTIONS = 100;
const MODES = [["shared", "Bun, no takeover (its default)"], ["3KB", "Bun, 3KB"], ["dedicated", "Bun, dedicated"]];

/** The server: sends as many messages of the corpus as it is asked for; "memory" on standard input prints what it takes. */
function serve(path, compress) {
  const corpus = messages(path);
  const server = Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    fetch: (request, self) => (self.upgrade(request) ? undefined : new Response("WebSocket only", { status: 400 })),
    websocket: {
      perMessageDeflate: { compress, decompress: compress },
      backpressureLimit: 1 << 28,
      message(socket, asked) {
        for (const each of corpus.slice(0, Number(asked))) socket.sendBinary(each, true);
      },
    },
  });
  console.log(server.port);
  createInterface({ input: process.stdin }).on("line", () => {
    Bun.gc(true);
    console.log(process.memoryUsage.rss());
  });
}

/** One connection, read frame by frame (RFC 6455 §5.2). */
async function open(port) {
  const socket = connect(port, "127.0.0.1");
  await once(socket, "connect");
  socket.write(
    "GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n" +
      "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n\r\n",
  );
  let waiting = Buffer.alloc(0);
  let awaited = () => {};
  socket.on("data", (data) => { waiting = Buffer.concat([waiting, data]); awaited(); });
  const more = () => new Promise((resolve) => { awaited = resolve; });
  while (!waiting.includes("\r\n\r\n")) await more();
  const end = waiting.indexOf("\r\n\r\n") + 4;
  if (!waiting.subarray(0, end).toString().toLowerCase().includes("permessage-deflate")) throw new Error("no compression");
  waiting = waiting.subarray(end);
  return {
    /** Payload bytes of the next `count` messages. */
    async receive(count) {
      const asked = Buffer.from(String(count));
      socket.write(Buffer.concat([Buffer.from([0x81, 0x80 | asked.length, 0, 0, 0, 0]), asked]));
      let bytes = 0;
      for (let left = count; left > 0; left -= 1) {
        const header = () => (waiting.length < 2 ? Infinity : (waiting[1] & 127) === 126 ? 4 : 2);
        while (waiting.length < header()) await more();
        const length = header() === 4 ? waiting.readUInt16BE(2) : waiting[1];
        while (waiting.length < header() + length) await more();
        waiting = waiting.subarray(header() + length);
        bytes += length;
      }
      return bytes;
    },
    close: () => socket.destroy(),
  };
}

/** Prints one row; the server is a process of its own, so that no heap has room left from the one before. */
async function row(path, compress, name) {
  const child = spawn(process.execPath, [fileURLToPath(import.meta.url), path, compress], { stdio: ["pipe", "pipe", "inherit"] });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const line = async () => Number((await lines.next()).value);
  const memory = () => { child.stdin.write("memory\n"); return line(); };
  const port = await line();
  const corpus = messages(path);
  // What the first connection brings belongs to the process.
  const first = await open(port);
  const wire = await first.receive(corpus.length);
  const before = await memory();
  const many = [];
  for (let count = 0; count < CONNECTIONS; count += 1) many.push(await open(port));
  const idle = await memory();
  for (const each of many) await each.receive(100);
  const active = await memory();
  [first, ...many].forEach((each) => each.close());
  child.kill();
  const plain = corpus.reduce((sum, message) => sum + message.length, 0);
  const bytes = [idle, active].map((after) => Math.max(0, Math.round((after - before) / CONNECTIONS)));
  console.log(`| ${basename(path, ".bin")} | ${name} | ${(wire / plain).toFixed(3)} | – | ${bytes.join(" | ")} |`);
}

const [target, compress] = process.argv.slice(2);
if (compress) serve(target, compress);
else for (const file of readdirSync(target).filter((name) => name.endsWith(".bin")).sort())
  for (const [mode, name] of MODES) await row(join(target, file), mode, name);
