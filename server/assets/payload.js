// Bytes as people write them: hex, Base64, and a listing to read.

/** The bytes that pairs of hex digits stand for, or `null`. */
export function fromHex(text) {
  const digits = text.replace(/0x|[\s,:_-]/gi, '');
  if (digits.length % 2 || /[^0-9a-f]/i.test(digits)) return null;
  return Uint8Array.from({ length: digits.length / 2 }, (_, index) => parseInt(digits.slice(2 * index, 2 * index + 2), 16));
}

/** The bytes that Base64 stands for, in its usual or its URL alphabet, or `null`. */
export function fromBase64(text) {
  try {
    return Uint8Array.from(atob(text.trim().replaceAll('-', '+').replaceAll('_', '/')), (character) => character.charCodeAt(0));
  } catch { return null; }
}

/** Base64 of bytes. */
export function toBase64(bytes) {
  let binary = '';
  for (const byte of bytes) binary += String.fromCharCode(byte);
  return btoa(binary);
}

/** Lines of sixteen bytes in hex with their characters beside them. */
export function dump(bytes) {
  const lines = [];
  for (let start = 0; start < bytes.length; start += 16) {
    const row = [...bytes.subarray(start, start + 16)];
    const hex = row.map((byte) => byte.toString(16).padStart(2, '0')).join(' ').padEnd(48);
    lines.push(hex + row.map((byte) => (byte > 31 && byte < 127 ? String.fromCharCode(byte) : '·')).join(''));
  }
  return lines.join('\n');
}

/** JSON with indentation, or `null` if the text is no JSON object or array. */
export function pretty(text) {
  if (!/^\s*[{[]/.test(text)) return null;
  try { return JSON.stringify(JSON.parse(text), null, 2); } catch { return null; }
}
