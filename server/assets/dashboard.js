// The server's figures as they come over the feed, as numbers and as plots.
import { address, backoff, byId, bytes, number, onAppearance, t } from '/common.js';
import { Plot } from '/plot.js';

const plots = {
  connections: new Plot(byId('plot-connections'), 'in', 5),
  messages: new Plot(byId('plot-messages'), 'out', 5),
  saved: new Plot(byId('plot-saved'), 'good', 512),
  latency: new Plot(byId('plot-latency'), 'in', 2),
};

/** The id by which the server tells this page of its other connections' messages; no other page can guess it. */
export const observerId = [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, '0')).join('');

/** Called with `{ way, number, compressed, bytes }` for each message that the server observed. */
let observed = () => {};

export function onObserved(call) {
  observed = call;
}

/** The last sample, the one before, and round trips in milliseconds. */
let last = null;
let before = null;
let trips = [];
let attempt = 0;
let feed = 'waiting';
/** Round trips that are under way, by their number. */
const sent = new Map();
let nextPing = 0;

/** How much of `field` came per second between the last two samples. */
function rate(field) {
  if (!before || last.at <= before.at) return 0;
  return Math.max(0, ((last[field] - before[field]) * 1000) / (last.at - before.at));
}

function receive(sample) {
  // A server that was started anew counts from nought: there is nothing to subtract from.
  before = last && sample.messages_in >= last.messages_in ? last : null;
  last = sample;
  const seconds = sample.at / 1000;
  plots.connections.add(seconds, sample.connections);
  if (before) {
    plots.messages.add(seconds, rate('messages_in') + rate('messages_out'));
    plots.saved.add(seconds, rate('uncompressed_bytes') - rate('wire_bytes'));
  }
  show();
}

function show() {
  byId('feed-dot').className = `dot ${feed === 'live' ? 'on' : 'wait'}`;
  byId('feed-text').textContent = feed === 'live' && last ? t('dash.live', { http: last.http }) : t(feed === 'live' ? 'dash.waiting' : `dash.${feed}`);
  if (!last) return;
  byId('fig-connections').textContent = number(last.connections);
  byId('sub-connections').textContent = t('dash.connections.sub', { h2: number(last.http2), opened: number(last.opened) });
  byId('fig-messages').textContent = number(rate('messages_in') + rate('messages_out'), 1);
  byId('sub-messages').textContent = t('dash.messages.sub', { in: number(last.messages_in), out: number(last.messages_out) });
  // Compared with the same frames uncompressed; negative where compression made messages larger.
  const { uncompressed_bytes: uncompressed, wire_bytes: wire } = last;
  byId('fig-saved').textContent = uncompressed > 0 ? `${number(100 * (1 - wire / uncompressed), 1)} %` : '–';
  byId('sub-saved').textContent = t('dash.saved.sub', { before: bytes(uncompressed), after: bytes(wire) });
  if (trips.length === 0) return;
  const sorted = [...trips].sort((a, b) => a - b);
  const ms = (value) => `${number(value, 1)} ms`;
  byId('fig-latency').textContent = number(trips.at(-1), 1);
  byId('sub-latency').textContent = t('dash.latency.sub', { median: ms(sorted[Math.floor(sorted.length / 2)]), worst: ms(sorted.at(-1)) });
}

function connect() {
  const socket = new WebSocket(address('/stats'));
  let pinger = 0;
  const ping = () => {
    sent.set(nextPing, performance.now());
    socket.send(`ping ${nextPing}`);
    nextPing += 1;
  };
  socket.addEventListener('open', () => {
    attempt = 0;
    feed = 'live';
    sent.clear();
    socket.send(`observe ${observerId}`);
    ping();
    pinger = setInterval(ping, 1000);
  });
  socket.addEventListener('message', ({ data }) => {
    const message = JSON.parse(data);
    if (message.type === 'stats') receive(message);
    if (message.type === 'observed') observed(message);
    if (message.type === 'pong' && sent.has(message.n)) {
      trips = [...trips.slice(-119), performance.now() - sent.get(message.n)];
      sent.delete(message.n);
      plots.latency.add(Date.now() / 1000, trips.at(-1));
      show();
    }
  });
  socket.addEventListener('close', () => {
    clearInterval(pinger);
    feed = 'lost';
    show();
    setTimeout(connect, backoff(attempt));
    attempt += 1;
  });
}

onAppearance(() => {
  show();
  for (const plot of Object.values(plots)) plot.draw();
});
addEventListener('resize', () => Object.values(plots).forEach((plot) => plot.draw()));
connect();
