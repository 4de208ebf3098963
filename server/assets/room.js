// One chat room as this browser knows it: its messages, its members, what is yet to be stored. Knows no page.
import { address } from '/common.js';
import { Link } from '/link.js';

const PROTOCOL = 'chat.v1.json';
/** Longest text of a message, in bytes of UTF-8: what the server takes unless it was told otherwise. */
export const MOST_BYTES = 64 * 1024;
/** Bytes that a message may have around its text, escapes of JSON included. */
const ENVELOPE_BYTES = 1024;
/** Messages asked for at once. */
const PORTION = 50;
/** Lines kept; the oldest go, and can be asked for again. */
const MOST_KEPT = 1000;
/** Own messages that may wait for the connection. */
const MOST_WAITING = 100;
/** Members up to which each coming and going is a line of its own; in a fuller room the list of members has to do. */
const MOST_ANNOUNCED = 20;
/** Milliseconds without an answer after which a connection counts as gone. */
const PATIENCE = 10_000;

const utf8 = new TextEncoder();
const size = (text) => utf8.encode(text).length;

/** What a message takes of [`MOST_BYTES`]: its text, or what escaping makes of it if that is what counts. */
export function weight(text) {
  return Math.max(size(text), size(JSON.stringify(text)) - ENVELOPE_BYTES / 2);
}

/**
 * Lines are objects: `{ kind: 'message', id, from, text, at, epoch, offset, mine, state, error }`, where `state` is
 * `waiting`, `sending`, `provisional`, `failed` or `stored`; `{ kind: 'presence', event, name, at }`;
 * `{ kind: 'gap', count, reason }`; `{ kind: 'error', text, at }`.
 *
 * Tells `change` when there is something new to show, and `message` for each message of somebody else that was said just
 * now or while the connection was away.
 */
export class Room extends EventTarget {
  lines = [];
  /** Who is here, by connection. */
  members = new Map();
  count = 0;
  /** Messages that were not looked at. */
  unread = 0;
  /** Whether the server keeps messages from before the first one here. */
  older = false;
  /** Whether the last join went on where the one before had ended. */
  recovered = false;
  /** The last sentence of the server about the connection itself. */
  problem = '';
  /** What was being written when another room was looked at. */
  draft = '';
  link;
  #token;
  #position = null;
  #known = new Map();
  /** What was said here, by id. */
  #said = new Map();
  #hasHistory = false;
  /** Whether the token does not allow to ask for what was said before. */
  #isDeaf = false;
  #isReplay = false;
  #timer = 0;

  constructor(name, member, token) {
    super();
    this.name = name;
    this.member = member;
    this.#token = token;
    this.link = new Link(() => this.#where(), {
      opened: () => { this.problem = ''; },
      received: (text) => this.#receive(text),
      closed: (code) => this.#closed(code),
      changed: () => this.#linkChanged(),
    });
  }

  enter() {
    this.link.open();
  }

  leave() {
    clearTimeout(this.#timer);
    this.link.close();
  }

  get isOpen() {
    return this.link.state === 'open' && this.#hasHistory;
  }

  // ---- saying -----------------------------------------------------------------------------------------------------

  /** Own messages that the server has not confirmed, in their order. */
  get pending() {
    return this.lines.filter(({ state }) => state === 'waiting' || state === 'sending' || state === 'provisional');
  }

  /** Whether as much waits already as may. */
  get isFull() {
    return this.pending.length >= MOST_WAITING;
  }

  /** Says something to everybody; while there is no connection it waits for one. */
  say(text) {
    const line = { kind: 'message', id: crypto.randomUUID(), from: this.member, text, at: Date.now(), mine: true, state: 'waiting' };
    this.#know(line);
    this.#said.set(line.id, line);
    this.lines.push(line);
    this.#flush();
    this.#changed();
  }

  /** Sends a failed message again, under the same id: if the server has it after all, it stays one. */
  retry(line) {
    line.state = 'waiting';
    line.error = '';
    this.#flush();
    this.#changed();
  }

  /** Sends what waits, as far as the connection takes it. */
  #flush() {
    if (!this.isOpen || this.#isReplay) return;
    for (const line of this.lines) {
      if (line.state !== 'waiting') continue;
      if (!this.link.send({ type: 'message', id: line.id, text: line.text })) break;
      // One that the members here have seen already is not told to them again: the answer may take as long as it takes.
      line.state = line.isShown ? 'provisional' : 'sending';
    }
    this.#watch();
  }

  /** Sees to it that an answer comes in time. */
  #watch() {
    clearTimeout(this.#timer);
    const isDue = this.lines.some(({ state }) => state === 'sending');
    const isStuck = this.lines.some(({ state }) => state === 'waiting');
    if (isDue) this.#timer = setTimeout(() => this.link.renew(), PATIENCE);
    else if (isStuck && this.isOpen) this.#timer = setTimeout(() => this.#flush(), 250);
  }

  /** Asks for messages from before the first one here. */
  loadOlder() {
    const first = this.lines.find(({ epoch }) => epoch !== undefined && epoch === this.#position?.epoch);
    const before = first && `${first.epoch}:${first.offset}`;
    this.link.send({ type: 'history', limit: PORTION, ...(before && { before }) });
  }

  // ---- hearing ----------------------------------------------------------------------------------------------------

  #where() {
    const url = address(`/chat/${encodeURIComponent(this.name)}`);
    if (this.member) url.searchParams.set('name', this.member);
    if (this.#position && !this.#isDeaf) url.searchParams.set('since', `${this.#position.epoch}:${this.#position.offset}`);
    // The token is never part of the address: addresses end up in logs.
    return { url, protocols: this.#token ? [PROTOCOL, `bearer.${this.#token}`] : [PROTOCOL] };
  }

  #receive(text) {
    let told;
    try { told = JSON.parse(text); } catch { return; }
    const hear = {
      joined: () => this.#joined(told),
      history: () => this.#history(told),
      message: () => this.#message(told),
      presence: () => this.#presence(told),
      ack: () => this.#ack(told),
      gap: () => this.#gap(told),
      error: () => this.#error(told),
    }[told?.type];
    if (!hear) return;
    hear();
    this.#watch();
    this.#changed();
  }

  #joined(told) {
    this.link.settled();
    this.member = told.name;
    this.members = new Map(told.members.map(({ member, name }) => [member, name]));
    this.count = told.count;
    this.recovered = told.recovered;
    const isAgain = this.#position !== null;
    this.#isReplay = isAgain && !this.#isDeaf;
    if (isAgain && this.#isDeaf) this.#add({ kind: 'gap', count: 0, reason: 'forbidden', at: Date.now() });
    const place = told.epoch === undefined ? null : { epoch: told.epoch, offset: told.offset };
    // What was missed comes next; the place moves as it comes.
    if (!this.#isReplay) this.#position = place;
    if (!this.#hasHistory) this.link.send({ type: 'history', limit: PORTION });
  }

  #history({ messages, more }) {
    const isReplay = this.#isReplay;
    for (const message of messages) {
      if (isReplay) this.#advance(message);
      this.#place(message, isReplay);
    }
    if (isReplay) {
      this.#isReplay = more;
    } else {
      this.older = more;
      this.#hasHistory = true;
    }
    this.#flush();
  }

  #message(message) {
    this.#advance(message);
    this.#place(message, true);
  }

  /** Everything up to this message has been heard. */
  #advance({ epoch, offset }) {
    if (epoch !== undefined) this.#position = { epoch, offset };
  }

  #presence({ event, name, member, count }) {
    this.count = count;
    if (event === 'count') return;
    if (event === 'join') this.members.set(member, name);
    else this.members.delete(member);
    if (count <= MOST_ANNOUNCED) this.#add({ kind: 'presence', event, name, at: Date.now() });
  }

  #ack({ id, epoch, offset }) {
    const line = this.#said.get(id);
    if (line) this.#store(line, epoch, offset);
  }

  #gap({ after, next, reason }) {
    const [epoch, from] = (after ?? '').split(':');
    const [sameEpoch, to] = (next ?? '').split(':');
    const count = next && epoch === sameEpoch ? Number(to) - Number(from) - 1 : 0;
    this.#add({ kind: 'gap', count, reason, at: Date.now() });
  }

  #error({ id, code, message }) {
    const line = id && this.#said.get(id);
    if (line) {
      line.state = 'failed';
      line.error = message;
      return;
    }
    this.problem = message;
    // A refusal to give history is an answer too: there is none to wait for.
    this.#hasHistory = true;
    this.#isReplay = false;
    if (code === 'forbidden') this.#isDeaf = true;
    if (code === 'unavailable') this.older = true;
    this.#add({ kind: 'error', text: message, at: Date.now() });
    this.#flush();
  }

  #closed(code) {
    // The largest of those under way is what was too large; sent again it would end the connection again.
    if (code !== 1009) return;
    const [largest] = this.lines.filter(({ state }) => state === 'sending').sort((one, other) => weight(other.text) - weight(one.text));
    if (largest) Object.assign(largest, { state: 'failed', error: this.link.last.reason || '1009' });
  }

  #linkChanged() {
    if (this.link.state !== 'open') {
      clearTimeout(this.#timer);
      // Whether the server has them is not known: they go again, with the ids they have.
      for (const line of this.lines) {
        if (!line.mine || (line.state !== 'sending' && line.state !== 'provisional')) continue;
        line.isShown = line.state === 'provisional';
        line.state = 'waiting';
      }
    }
    this.#changed();
  }

  // ---- lines ------------------------------------------------------------------------------------------------------

  /** What makes two messages one: who says it, what the sender calls it, and the text, since names and ids can be chosen. */
  #key({ from, id, text }) {
    return `${from}\n${id}\n${text}`;
  }

  /** The line that a message is already, if it is one. The server may write the name otherwise than it was given. */
  #find(message) {
    const own = this.#said.get(message.id);
    if (own && own.text === message.text && message.from === this.member) return own;
    return this.#known.get(this.#key(message));
  }

  #know(line) {
    this.#known.set(this.#key(line), line);
  }

  /** Puts a message where it belongs; one that is here already only learns its place. */
  #place({ id, from, text, at, epoch, offset, provisional }, isNew) {
    const known = this.#find({ from, id, text });
    if (known) {
      if (provisional) {
        if (known.state === 'sending') known.state = 'provisional';
      } else {
        known.at = at;
        this.#store(known, epoch, offset);
      }
      return;
    }
    const line = { kind: 'message', id, from, text, at, epoch, offset, mine: from === this.member, state: provisional ? 'provisional' : 'stored' };
    this.#know(line);
    this.#insert(line);
    this.#trim();
    if (isNew && !line.mine) this.dispatchEvent(new CustomEvent('message', { detail: line }));
  }

  #store(line, epoch, offset) {
    if (line.state === 'stored') return;
    Object.assign(line, { epoch, offset, state: 'stored', error: '' });
    this.lines.splice(this.lines.indexOf(line), 1);
    this.#insert(line);
  }

  /** By offset among those of its epoch; everything that is not stored yet comes last. */
  #insert(line) {
    const isBehind = (other) => line.epoch !== undefined && other.epoch === line.epoch && other.offset > line.offset;
    let index = this.lines.findIndex(isBehind);
    if (index < 0) {
      index = this.lines.length;
      while (index > 0 && this.lines[index - 1].kind === 'message' && this.lines[index - 1].epoch === undefined && line.epoch !== undefined) index -= 1;
    }
    this.lines.splice(index, 0, line);
  }

  #add(line) {
    this.lines.push(line);
    this.#trim();
  }

  #trim() {
    while (this.lines.length > MOST_KEPT && this.lines[0].state !== 'waiting' && this.lines[0].state !== 'sending') {
      const gone = this.lines.shift();
      if (gone.kind !== 'message') continue;
      this.#known.delete(this.#key(gone));
      if (this.#said.get(gone.id) === gone) this.#said.delete(gone.id);
      this.older = true;
    }
  }

  #changed() {
    this.dispatchEvent(new Event('change'));
  }
}
