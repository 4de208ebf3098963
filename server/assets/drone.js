// Flying the drone: buttons, keys, the map and a command line, over the subprotocol drone.v1.json.
import { address, backoff, byId, element, number, onAppearance, t } from '/common.js';
import { Sky } from '/sky.js';
import { answerText } from '/answer.js';

const PROTOCOL = 'drone.v1.json';

/** The commands with the names of their arguments, as the server's `help` lists them. */
const COMMANDS = {
  takeoff: [], land: [], forward: ['distance'], back: ['distance'], left: ['distance'], right: ['distance'], up: ['distance'], down: ['distance'],
  rotate: ['angle'], goto: ['x', 'y', 'z'], speed: ['speed'], stop: [], status: [], telemetry: ['on'], help: [],
};

/** Keys, by the place on the keyboard, so that they lie together on every layout. */
const KEYS = {
  KeyW: 'forward', ArrowUp: 'forward', KeyS: 'back', ArrowDown: 'back', KeyA: 'left', ArrowLeft: 'left', KeyD: 'right', ArrowRight: 'right',
  KeyR: 'up', PageUp: 'up', KeyF: 'down', PageDown: 'down', KeyQ: 'rotate-left', KeyE: 'rotate-right', KeyT: 'takeoff', KeyL: 'land', Space: 'stop',
};

/** Answers kept in the list. */
const MOST_ANSWERS = 60;
/** Seconds between two commands of a key that is held. */
const HELD_PAUSE = 200;

const sky = new Sky(byId('sky'));
const name = new URLSearchParams(location.search).get('id') ?? '';
let socket = null;
let state = null;
let members = 1;
let nextId = 1;
let attempt = 0;
let link = { key: 'drone.connecting', values: {}, dot: 'wait' };
let heldAt = 0;

// ---- connection ---------------------------------------------------------------------------------------------------

function connect() {
  const url = address('/drone');
  if (name) url.searchParams.set('id', name);
  socket = new WebSocket(url, [PROTOCOL]);
  socket.addEventListener('open', () => {
    attempt = 0;
    sky.reset();
    link = { key: name ? 'drone.shared' : 'drone.connected', values: { name, protocol: socket.protocol }, dot: 'on' };
    send({ command: 'status' }, true);
    showLink();
  });
  socket.addEventListener('message', ({ data }) => receive(JSON.parse(data)));
  socket.addEventListener('close', ({ code, reason }) => {
    // A name that the server refuses stays refused: trying again would not help.
    const refused = code === 1008;
    link = refused ? { key: 'drone.refused', values: { reason }, dot: 'off' } : { key: 'drone.lost', values: { code }, dot: 'off' };
    showLink();
    if (refused) return;
    setTimeout(connect, backoff(attempt));
    attempt += 1;
  });
}

/** Ids of commands whose answer is not listed, because nobody gave them. */
const silent = new Set();

function send(command, isSilent = false) {
  if (socket?.readyState !== WebSocket.OPEN) return list(false, t('cmd.offline'));
  const id = nextId;
  nextId += 1;
  if (isSilent) silent.add(id);
  return socket.send(JSON.stringify({ id, ...command }));
}

function receive(message) {
  state = message.state;
  members = message.members;
  sky.fly(state);
  show();
  if (message.type !== 'answer' || silent.delete(message.id)) return;
  list(message.ok, answerText(message));
}

function list(ok, text) {
  const item = element('li', ok ? 'good' : 'bad');
  item.append(element('b', '', ok ? 'ok' : 'error'), element('span', '', text));
  const [answers, log] = [byId('answer-list'), byId('answers')];
  answers.append(item);
  while (answers.childElementCount > MOST_ANSWERS) answers.firstElementChild.remove();
  log.scrollTop = log.scrollHeight;
}

// ---- what is shown ------------------------------------------------------------------------------------------------

/** Writes a text only when it differs, so that a screen reader is not told the same again. */
function write(id, text) {
  const node = byId(id);
  if (node.textContent !== text) node.textContent = text;
}

function show() {
  if (!state) return;
  write('t-altitude', number(state.z, 1));
  write('t-speed', number(state.speed, 1));
  write('t-heading', number(state.heading));
  write('t-flown', number(state.flown));
  write('t-phase', t(`phase.${state.phase}`));
  byId('t-phase').dataset.phase = state.phase;
  write('t-place', t('tele.place.value', { x: number(state.x, 1), y: number(state.y, 1) }));
  write('t-members', members === 1 ? t('tele.members.one') : t('tele.members.many', { n: members }));
  write('t-battery', `${number(state.battery)} %`);
  const battery = byId('battery');
  battery.setAttribute('aria-valuenow', String(Math.round(state.battery)));
  battery.dataset.level = state.battery <= 15 ? 'low' : state.battery <= 40 ? 'half' : 'high';
  battery.firstElementChild.style.width = `${state.battery}%`;
  const map = t('drone.map', { x: number(state.x), y: number(state.y), z: number(state.z) });
  if (byId('sky').getAttribute('aria-label') !== map) byId('sky').setAttribute('aria-label', map);
  if (document.activeElement !== byId('speed') && byId('speed').valueAsNumber !== state.cruise) {
    byId('speed').value = state.cruise;
    showSliders();
  }
}

function showLink() {
  write('link-text', t(link.key, link.values));
  byId('link-dot').className = `dot ${link.dot}`;
  sky.linked = link.dot === 'on';
  sky.wake();
}

function showSliders() {
  byId('step-out').textContent = `${number(byId('step').valueAsNumber)} m`;
  byId('speed-out').textContent = `${number(byId('speed').valueAsNumber, 1)} m/s`;
}

// ---- controls -----------------------------------------------------------------------------------------------------

/** Gives the command of a button or a key. */
function give(what) {
  if (what === 'rotate-left') return send({ command: 'rotate', angle: -45 });
  if (what === 'rotate-right') return send({ command: 'rotate', angle: 45 });
  if (COMMANDS[what]?.[0] === 'distance') return send({ command: what, distance: byId('step').valueAsNumber });
  return send({ command: what });
}

for (const button of document.querySelectorAll('[data-command]')) {
  button.addEventListener('click', () => give(button.dataset.command));
}

addEventListener('keydown', (event) => {
  const what = KEYS[event.code];
  const writing = event.target.closest('input, textarea, [contenteditable]');
  // Space and Enter belong to a button that has the focus, the arrows to a list that scrolls.
  const taken = (event.code === 'Space' && event.target.closest('button, a')) || (event.target.closest('[role="log"]') && /^(Arrow|Page)/.test(event.code));
  if (!what || writing || taken || event.ctrlKey || event.altKey || event.metaKey) return;
  event.preventDefault();
  if (event.repeat && event.timeStamp - heldAt < HELD_PAUSE) return;
  heldAt = event.timeStamp;
  give(what);
});

byId('sky').addEventListener('click', (event) => {
  const box = byId('sky').getBoundingClientRect();
  const { x, y } = sky.ground(event.clientX - box.left, event.clientY - box.top);
  const z = Math.max(0.5, Math.round((state?.z ?? 2) * 10) / 10);
  send({ command: 'goto', x, y, z });
});
byId('zoom-in').addEventListener('click', () => sky.zoomBy(-1));
byId('zoom-out').addEventListener('click', () => sky.zoomBy(1));
byId('step').addEventListener('input', showSliders);
byId('speed').addEventListener('input', showSliders);
byId('speed').addEventListener('change', () => send({ command: 'speed', speed: byId('speed').valueAsNumber }));

/** A line such as `goto 1 2 3` as the object that the subprotocol wants; what is wrong with it, the server tells. */
function fromLine(line) {
  const [command, ...words] = line.trim().split(/\s+/);
  const wanted = COMMANDS[command.toLowerCase()] ?? [];
  const told = { command: command.toLowerCase() };
  words.forEach((word, index) => {
    const value = { on: true, off: false }[word] ?? (Number.isFinite(Number(word)) ? Number(word) : word);
    told[wanted[index] ?? `argument ${index + 1}`] = value;
  });
  return told;
}

byId('command-form').addEventListener('submit', (event) => {
  event.preventDefault();
  const line = byId('command').value;
  if (!line.trim()) return;
  send(fromLine(line));
  byId('command').value = '';
});
for (const [command, names] of Object.entries(COMMANDS)) {
  const option = element('option');
  option.value = [command, ...names.map((word) => (word === 'on' ? 'on' : '10'))].join(' ');
  byId('commands').append(option);
}

byId('share').value = name;
byId('share-form').addEventListener('submit', (event) => {
  event.preventDefault();
  const id = byId('share').value.trim();
  location.search = id ? `?id=${encodeURIComponent(id)}` : '';
});

onAppearance(() => {
  document.title = t('title.drone');
  show();
  showLink();
  showSliders();
});
addEventListener('resize', () => sky.wake());
addEventListener('pagehide', () => socket?.close(1000));
connect();
