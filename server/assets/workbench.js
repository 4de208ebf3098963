// The workbench: one connection to any route, by hand.
import { address, backoff, byId, bytes, number, onAppearance, recall, remember, t } from '/common.js';
import { addMessage, addNote, beginConnection, markMessage } from '/history.js';
import { fromBase64, fromHex } from '/payload.js';
import { observerId, onObserved } from '/dashboard.js';

/** Names of the close codes (RFC 6455 §7.4.1 and the IANA registry). */
const CODES = {
  1000: 'normal', 1001: 'going away', 1002: 'protocol error', 1003: 'unsupported data', 1005: 'no code', 1006: 'abnormal', 1007: 'invalid data',
  1008: 'policy violation', 1009: 'message too big', 1010: 'extension missing', 1011: 'internal error', 1012: 'service restart', 1013: 'try again later', 1015: 'TLS failed',
};

/** Bytes that may wait in the browser before another message is refused. */
const MOST_BUFFERED = 8 * 1024 * 1024;

let socket = null;
let startedAt = 0;
let openedAfter = 0;
let attempt = 0;
let retry = 0;
let retryAt = 0;
/** Whether the person ended the connection: then it is not opened again. */
let ended = true;
let lastClose = null;

const isOpen = () => socket?.readyState === WebSocket.OPEN;

function hint(id, text, wrong = false) {
  const node = byId(id);
  node.textContent = text || '\u00a0';
  node.classList.toggle('wrong', wrong);
}

// ---- connection ---------------------------------------------------------------------------------------------------

function connect() {
  clearTimeout(retry);
  retry = 0;
  const protocols = byId('protocols').value.split(',').map((name) => name.trim()).filter(Boolean);
  let url;
  let shown;
  try {
    url = address(byId('address').value.trim());
    if (url.host !== location.host) throw new Error(t('conn.foreign', { host: location.host }));
    startedAt = performance.now();
    shown = String(url);
    url.searchParams.set('observe', observerId);
    beginConnection();
    socket = protocols.length ? new WebSocket(url, protocols) : new WebSocket(url);
  } catch (error) {
    hint('route-hint', t('conn.bad', { why: error.message }), true);
    ended = true;
    show();
    return;
  }
  ended = false;
  socket.binaryType = 'arraybuffer';
  remember('address', byId('address').value);
  remember('protocols', byId('protocols').value);
  listen(socket, shown);
  show();
}

function listen(mine, url) {
  let opened = false;
  mine.addEventListener('open', () => {
    opened = true;
    attempt = 0;
    openedAfter = performance.now() - startedAt;
    addNote('log.opened', { url, protocol: mine.protocol || '–', extension: mine.extensions || '–' });
    show();
  });
  mine.addEventListener('message', ({ data }) => {
    addMessage('in', typeof data === 'string' ? data : new Uint8Array(data));
  });
  mine.addEventListener('close', ({ code, reason, wasClean }) => {
    if (opened) {
      lastClose = { code, reason, wasClean };
      const values = { code, name: CODES[code] ?? '–', reason: reason ? `: ${reason}` : '', clean: wasClean ? '' : t('log.unclean') };
      addNote('log.closed', values, !wasClean || (code !== 1000 && code !== 1005));
    } else {
      addNote('log.failed', { url }, true);
    }
    if (!ended && byId('reconnect').checked) again();
    else ended = true;
    show();
  });
}

function again() {
  const pause = backoff(attempt);
  attempt += 1;
  retryAt = Date.now() + pause;
  retry = setTimeout(connect, pause);
}

function disconnect(code, reason) {
  ended = true;
  clearTimeout(retry);
  retry = 0;
  if (isOpen() && code) {
    addNote('log.closing', { code, reason: reason ? `: ${reason}` : '' });
    socket.close(code, reason);
  } else if (socket && socket.readyState < WebSocket.CLOSING) {
    socket.close();
  }
  show();
}

function stateNow() {
  if (retry) return 'retry';
  return ['connecting', 'open', 'closing', 'closed'][socket?.readyState ?? 3];
}

function show() {
  const state = stateNow();
  const fact = byId('fact-state');
  fact.dataset.state = state;
  fact.firstElementChild.className = `dot ${{ open: 'on', closed: '', retry: 'off' }[state] ?? 'wait'}`;
  const seconds = number(Math.max(0, retryAt - Date.now()) / 1000, 1);
  fact.lastElementChild.textContent = state === 'open' ? t('fact.opened', { ms: number(openedAfter) }) : t(`state.${state}`, { seconds });
  byId('fact-protocol').textContent = isOpen() ? socket.protocol || t('fact.none') : '–';
  byId('fact-extension').textContent = isOpen() ? socket.extensions || t('fact.none') : '–';
  byId('fact-closed').textContent = lastClose ? `${lastClose.code} ${CODES[lastClose.code] ?? ''}${lastClose.reason ? ` – ${lastClose.reason}` : ''}` : '–';
  byId('connect').textContent = t({ open: 'conn.disconnect', closed: 'conn.connect' }[state] ?? 'conn.cancel');
  byId('connect').classList.toggle('primary', state === 'closed');
  byId('send').disabled = state !== 'open';
  byId('close').disabled = state !== 'open';
  document.title = t('title.workbench');
}

// What comes in at the server went out here.
onObserved(({ way, number: index, compressed, bytes: wire }) => markMessage(way === 'in' ? 'out' : 'in', index, { compressed, bytes: wire }));

byId('connect-form').addEventListener('submit', (event) => {
  event.preventDefault();
  if (stateNow() === 'closed') connect();
  else disconnect(1000, '');
});

// ---- routes -------------------------------------------------------------------------------------------------------

const chips = [...document.querySelectorAll('[data-route]')];

function showRoute() {
  const path = byId('address').value.split('?')[0];
  const isMeant = (chip) => chip.dataset.route.split('?')[0] === path;
  for (const chip of chips) chip.setAttribute('aria-pressed', String(isMeant(chip)));
  const known = chips.find(isMeant);
  hint('route-hint', t(known ? `route.${known.textContent}` : 'route.other'));
}

for (const chip of chips) {
  chip.addEventListener('click', () => {
    byId('address').value = chip.dataset.route;
    byId('protocols').value = chip.dataset.protocols ?? '';
    showRoute();
  });
}
byId('address').addEventListener('input', showRoute);

// ---- sending ------------------------------------------------------------------------------------------------------

const kind = () => document.querySelector('input[name="kind"]:checked').value;

/** What is to be sent: `{ data }`, or `{ problem }` with the reason in words. */
async function payload() {
  const text = byId('payload').value;
  if (kind() === 'text') return { data: text };
  if (kind() === 'json') {
    try { return { data: JSON.stringify(JSON.parse(text)) }; } catch (error) { return { problem: t('send.badjson', { why: error.message }) }; }
  }
  if (kind() === 'file') {
    const file = byId('file').files[0];
    return file ? { data: new Uint8Array(await file.arrayBuffer()) } : { problem: t('send.nofile') };
  }
  const data = kind() === 'hex' ? fromHex(text) : fromBase64(text);
  return data ? { data } : { problem: t(kind() === 'hex' ? 'send.badhex' : 'send.badbase64') };
}

async function describe() {
  const isFile = kind() === 'file';
  byId('file-label').hidden = !isFile;
  byId('payload-label').hidden = isFile;
  const { data, problem } = await payload();
  const size = typeof data === 'string' ? new TextEncoder().encode(data).length : data?.length;
  hint('payload-hint', problem ?? t('send.size', { size: bytes(size) }), Boolean(problem));
}

async function send() {
  const { data, problem } = await payload();
  if (problem || !isOpen()) return describe();
  if (socket.bufferedAmount > MOST_BUFFERED) return hint('payload-hint', t('send.busy', { size: bytes(socket.bufferedAmount) }), true);
  socket.send(data);
  return addMessage('out', data);
}

byId('send-form').addEventListener('submit', (event) => {
  event.preventDefault();
  send();
});
byId('send-form').addEventListener('input', describe);
byId('payload').addEventListener('keydown', (event) => {
  if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) {
    event.preventDefault();
    send();
  }
});

byId('close-form').addEventListener('submit', (event) => {
  event.preventDefault();
  const code = Number(byId('close-code').value);
  const reason = byId('close-reason').value;
  const size = new TextEncoder().encode(reason).length;
  if (code !== 1000 && !(Number.isInteger(code) && code >= 3000 && code <= 4999)) return hint('payload-hint', t('close.badcode'), true);
  if (size > 123) return hint('payload-hint', t('close.badreason', { bytes: size }), true);
  return disconnect(code, reason);
});

byId('address').value = recall('address') ?? '/ws';
byId('protocols').value = recall('protocols') ?? '';
byId('reconnect').checked = recall('reconnect') === 'true';
byId('reconnect').addEventListener('change', ({ target }) => {
  remember('reconnect', String(target.checked));
  if (!target.checked && retry) disconnect();
});
onAppearance(() => {
  show();
  showRoute();
  describe();
});
// The page is gone from sight when it is left: a clean end is kinder than a dropped connection.
addEventListener('pagehide', () => disconnect(1000, ''));
