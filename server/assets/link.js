// A WebSocket that comes back by itself: it notices when it is gone and tries again after growing pauses.
import { backoff } from '/common.js';

/** Close codes after which the same attempt would end the same way (RFC 6455 §7.4.1): only a person may try again. */
const FINAL = [1002, 1003, 1007, 1008, 1010];

/** Attempts in a row that fail although the server says it is ready: then it does not want this page. */
const MOST_REFUSALS = 3;

/** Bytes that may wait in the browser; beyond that nothing more is given to it. */
const MOST_BUFFERED = 1024 * 1024;

export class Link {
  /** `connecting`, `open`, `waiting` for the next attempt, `refused` by the server, or `ended` by this side. */
  state = 'ended';
  /** Why the last connection ended: `{ code, reason, opened }`. */
  last = null;
  /** When the next attempt is made, in milliseconds since 1970. */
  retryAt = 0;
  #socket = null;
  #timer = 0;
  #attempt = 0;
  #refusals = 0;
  #where;
  #on;

  /** `where()` gives `{ url, protocols }` of the next attempt; `on` has `opened()`, `received(text)`, `closed(code)` and `changed()`. */
  constructor(where, on) {
    this.#where = where;
    this.#on = on;
  }

  /** Opens at once, whatever was before. */
  open() {
    this.#drop();
    this.#become('connecting');
    const { url, protocols } = this.#where();
    const mine = new WebSocket(url, protocols);
    this.#socket = mine;
    let opened = false;
    mine.addEventListener('open', () => {
      if (mine !== this.#socket) return;
      opened = true;
      this.#refusals = 0;
      this.#become('open');
      this.#on.opened();
    });
    mine.addEventListener('message', ({ data }) => {
      if (mine === this.#socket && typeof data === 'string') this.#on.received(data);
    });
    mine.addEventListener('close', ({ code, reason }) => {
      if (mine !== this.#socket) return;
      this.last = { code, reason, opened };
      this.#socket = null;
      this.#on.closed(code);
      if (FINAL.includes(code)) this.#become('refused');
      else if (opened) this.#again();
      else this.#failed();
    });
  }

  /** A browser does not tell why an attempt failed; whether the server answers at all can be asked. */
  async #failed() {
    const isReady = await fetch('/readyz', { cache: 'no-store', signal: AbortSignal.timeout(2000) }).then(({ ok }) => ok, () => false);
    // Meanwhile somebody may have ended it, or opened it by hand.
    if (this.state !== 'connecting' || this.#socket) return;
    this.#refusals = isReady ? this.#refusals + 1 : 0;
    if (this.#refusals >= MOST_REFUSALS) this.#become('refused');
    else this.#again();
  }

  /** Opens at once when it is only waiting, as when the network is back. */
  hurry() {
    if (this.state === 'waiting') this.open();
  }

  /** Ends it for good. */
  close() {
    this.#drop();
    this.#become('ended');
  }

  /** Gives up a connection on which nothing comes any more, without waiting for its end, and opens another. */
  renew() {
    this.last = { code: 1006, reason: '', opened: true };
    this.#drop();
    this.#again();
  }

  /** The server said yes: the next pause is a short one again. */
  settled() {
    this.#attempt = 0;
  }

  /** Sends an object; `false` when it cannot go now. */
  send(object) {
    if (this.#socket?.readyState !== WebSocket.OPEN || this.#socket.bufferedAmount > MOST_BUFFERED) return false;
    this.#socket.send(JSON.stringify(object));
    return true;
  }

  #again() {
    const pause = backoff(this.#attempt);
    this.#attempt += 1;
    this.retryAt = Date.now() + pause;
    this.#timer = setTimeout(() => this.open(), pause);
    this.#become('waiting');
  }

  #drop() {
    clearTimeout(this.#timer);
    const socket = this.#socket;
    // From here on nothing of it is heard.
    this.#socket = null;
    if (socket && socket.readyState < WebSocket.CLOSING) socket.close(1000);
  }

  #become(state) {
    this.state = state;
    this.#on.changed();
  }
}
