// What went over the connections, shown as a list and kept in this browser.
import { byId, bytes, clock, element, number, onAppearance, recall, remember, t } from '/common.js';
import { dump, fromBase64, pretty, toBase64 } from '/payload.js';

/** Entries shown; the oldest go. */
const MOST_SHOWN = 500;
/** Entries kept for the next visit. */
const MOST_KEPT = 200;
/** Bytes or characters of one entry that are shown and kept. */
const MOST_OF_ONE = 4096;

const KEY = 'history.v1';
const list = byId('entries');
/** What scrolls. */
const log = byId('log');

/** Entries: { at, way: out|in|note, kind: text|binary|note, body, size, compressed, bytes, bad, say, values }. */
let entries = load();
let waiting = [];
let saving = 0;
/** The node of each entry. */
const drawn = new WeakMap();

function load() {
  try {
    const kept = JSON.parse(recall(KEY) ?? '[]');
    return Array.isArray(kept) ? kept.filter((entry) => entry && typeof entry.at === 'number').slice(-MOST_KEPT) : [];
  } catch { return []; }
}

function save() {
  saving = 0;
  remember(KEY, JSON.stringify(entries.slice(-MOST_KEPT)));
}

/** By direction: messages of the connection so far, entries that the server has not told of, and what it told too early. */
let way = {};

/** Begins a connection: what the server tells from now on is about its messages. */
export function beginConnection() {
  way = { in: { messages: 0, untold: new Map(), early: new Map() }, out: { messages: 0, untold: new Map(), early: new Map() } };
}
beginConnection();

/** Remembers a few. */
function keep(map, number, value) {
  map.set(number, value);
  if (map.size > MOST_SHOWN) map.delete(map.keys().next().value);
}

/** Marks a message with what it was on the wire. */
export function markMessage(direction, number, told) {
  const { untold, early } = way[direction];
  const entry = untold.get(number);
  if (!entry) {
    keep(early, number, told);
    return;
  }
  untold.delete(number);
  Object.assign(entry, told);
  const shown = drawn.get(entry);
  if (shown?.isConnected) shown.replaceWith(line(entry));
  if (!saving) saving = setTimeout(save, 300);
}

/** Adds a message. `data` is a string or bytes. */
export function addMessage(direction, data) {
  const isText = typeof data === 'string';
  const size = isText ? new TextEncoder().encode(data).length : data.length;
  const body = isText ? data.slice(0, MOST_OF_ONE) : toBase64(data.subarray(0, MOST_OF_ONE));
  const entry = { at: Date.now(), way: direction, kind: isText ? 'text' : 'binary', body, size };
  const { untold, early } = way[direction];
  const number = way[direction].messages;
  way[direction].messages += 1;
  if (early.has(number)) Object.assign(entry, early.get(number));
  else keep(untold, number, entry);
  early.delete(number);
  add(entry);
}

/** Adds a remark about the connection: the key of a string and what goes into it. */
export function addNote(say, values, bad = false) {
  add({ at: Date.now(), way: 'note', kind: 'note', say, values, bad });
}

function add(entry) {
  entries.push(entry);
  if (entries.length > MOST_SHOWN) entries = entries.slice(-MOST_SHOWN);
  waiting.push(entry);
  // Many messages between two pictures are drawn in one go.
  if (waiting.length === 1) requestAnimationFrame(draw);
  if (!saving) saving = setTimeout(save, 300);
}

/** The body of an entry as a person reads it. */
function readable(entry) {
  if (entry.kind === 'note') return t(entry.say, entry.values);
  const shown = entry.kind === 'text' ? (pretty(entry.body) ?? entry.body) : dump(fromBase64(entry.body) ?? new Uint8Array());
  const most = entry.kind === 'text' ? entry.body.length >= MOST_OF_ONE : entry.size > MOST_OF_ONE;
  return most && entry.size > MOST_OF_ONE ? `${shown}\n${t('log.more', { size: bytes(entry.size - MOST_OF_ONE) })}` : shown;
}

function line(entry) {
  const item = element('li', `entry ${entry.way}${entry.bad ? ' bad' : ''}`);
  const arrow = element('span', 'arrow', { out: '↑', in: '↓', note: '·' }[entry.way] ?? '·');
  arrow.setAttribute('aria-hidden', 'true');
  const meta = element('div', 'meta');
  meta.append(element('span', 'unseen', t(`log.${entry.way}`)), element('time', '', clock(entry.at)));
  if (entry.kind !== 'note') {
    meta.append(element('span', '', t(`log.${entry.kind}`)), element('span', '', bytes(entry.size)));
    if (entry.compressed) meta.append(element('span', 'badge', t('log.compressed', { size: bytes(entry.bytes) })));
    if (entry.compressed === false) meta.append(element('span', '', t('log.plain')));
  }
  const cell = element('div');
  cell.append(meta, element('pre', '', readable(entry)));
  item.append(arrow, cell);
  drawn.set(entry, item);
  return item;
}

function draw() {
  const atEnd = log.scrollHeight - log.scrollTop - log.clientHeight < 40;
  list.append(...waiting.map(line));
  waiting = [];
  while (list.childElementCount > MOST_SHOWN) list.firstElementChild.remove();
  if (atEnd) log.scrollTop = log.scrollHeight;
  count();
}

function count() {
  const of = (way) => number(entries.filter((entry) => entry.way === way).length);
  byId('log-empty').hidden = entries.length > 0;
  byId('counts').textContent = entries.length ? t('log.counts', { out: of('out'), in: of('in') }) : '';
}

byId('clear').addEventListener('click', () => {
  entries = [];
  waiting = [];
  list.replaceChildren();
  save();
  count();
});
byId('export').addEventListener('click', () => {
  const file = new Blob([JSON.stringify(entries, null, 2)], { type: 'application/json' });
  const link = element('a');
  link.href = URL.createObjectURL(file);
  link.download = 'websocket-history.json';
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
});
addEventListener('pagehide', save);
onAppearance(() => {
  waiting = [];
  list.replaceChildren(...entries.map(line));
  log.scrollTop = log.scrollHeight;
  count();
});
