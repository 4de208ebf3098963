#!/usr/bin/env node
// The rows of ws (Node) for the table of `cargo bench --bench compression`, over the corpora of a directory.
//
// usage: node ws-compression.mjs DIRECTORY    (needs: npm install ws; corpora as `cargo bench --bench compression -- --write DIRECTORY` makes them)
//
// Bytes are the growth of the process's resident memory for each of 100 connections.
import { execFileSync } from "node:child_process";
import { readdirSync } from "node:fs";
import { createRequire } from "node:module";
import { basename, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { messages } from "./corpus.mjs";

const require = createRequire(join(process.cwd(), "none.js"));
const PerMessageDeflate = require(join(dirname(require.resolve("ws")), "lib/permessage-deflate.js"));
const CONNECTIONS = 100;

function extension(takeover) {
  const server = new PerMessageDeflate({ isServer: true, serverNoContextTakeover: !takeover, threshold: 0 });
  server.accept([{}]);
  return server;
}

const compressed = (server, message) =>
  new Promise((resolve, reject) => server.compress(message, true, (error, data) => (error ? reject(error) : resolve(data.length))));

// Prints one row; in a process of its own, so that no heap has room left from the one before.
async function row(path, takeover) {
  const corpus = messages(path);
  const before = process.memoryUsage.rss();
  const many = Array.from({ length: CONNECTIONS }, () => extension(takeover));
  const idle = process.memoryUsage.rss();
  for (const each of many) for (const message of corpus.slice(0, 100)) await compressed(each, message);
  const active = process.memoryUsage.rss();
  const one = extension(takeover);
  let wire = 0;
  for (const message of corpus) wire += await compressed(one, message);
  [one, ...many].forEach((each) => each.cleanup());
  const plain = corpus.reduce((sum, message) => sum + message.length, 0);
  const bytes = [idle, active].map((after) => Math.max(0, Math.round((after - before) / CONNECTIONS)));
  const name = takeover ? "ws, its default" : "ws, no takeover";
  console.log(`| ${basename(path, ".bin")} | ${name} | ${(wire / plain).toFixed(3)} | – | ${bytes.join(" | ")} |`);
}

const [target, takeover] = process.argv.slice(2);
if (takeover) {
  await row(target, takeover === "true");
} else {
  for (const file of readdirSync(target).filter((name) => name.endsWith(".bin")).sort())
    for (const kept of ["false", "true"]) execFileSync(process.execPath, [fileURLToPath(import.meta.url), join(target, file), kept], { stdio: "inherit" });
}
