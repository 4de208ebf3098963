// Reads corpora as `cargo bench --bench compression -- --write DIRECTORY` makes them: each message after its length, 32 bits, little endian.
import { readFileSync } from "node:fs";

/** The messages of one corpus. */
export function messages(path) {
  const data = readFileSync(path);
  const all = [];
  for (let at = 0; at < data.length; ) {
    const length = data.readUInt32LE(at);
    all.push(data.subarray(at + 4, at + 4 + length));
    at += 4 + length;
  }
  return all;
}
