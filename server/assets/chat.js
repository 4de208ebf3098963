// The chat page: rooms side by side, one of them in sight.
import { byId, element, number, onAppearance, recall, remember, t } from '/common.js';
import { MOST_BYTES, Room, weight } from '/room.js';
import { notify, notifying, switchNotifying, toast } from '/toast.js';
import { draw, isAtEnd, redraw, toEnd } from '/transcript.js';

/** Rooms at once: each is a connection. */
const MOST_ROOMS = 12;
/** Names shown in the list of members. */
const MOST_NAMES = 200;

/** What the server takes for names of rooms and members; what it says about others is shown too. */
const ROOM = /^[A-Za-z0-9_-]{1,64}$/;
const MEMBER = /^[\p{L}\p{M}\p{N}\p{Extended_Pictographic}\p{Regional_Indicator}\p{Emoji_Modifier}\uFE0F '’_.·・-]{1,64}$/u;
/** What a token may consist of, as the name of a subprotocol that it becomes (RFC 9110 §5.6.2). */
const TOKEN = /^[A-Za-z0-9_.~+-]+$/;

/** The room that the address named when the page came. */
const asked = named();

const rooms = new Map();
let active = null;

// ---- entering and leaving -----------------------------------------------------------------------------------------

function enter(name, member, token) {
  rooms.get(name)?.leave();
  const room = new Room(name, member, token);
  room.addEventListener('change', soon);
  room.addEventListener('message', ({ detail }) => heard(room, detail));
  rooms.set(name, room);
  room.enter();
  keep();
  show(name);
}

function leave(name) {
  rooms.get(name)?.leave();
  rooms.delete(name);
  keep();
  if (active?.name === name) show([...rooms.keys()].at(-1));
  else soon();
  // What had the focus is gone.
  (byId('rooms').querySelector('[aria-current] , button') ?? byId('room')).focus();
}

/** What the next visit begins with: names alone, never what was said and never a token. */
function keep() {
  remember('chat.rooms', JSON.stringify([...rooms.keys()]));
}

function kept() {
  try {
    const names = JSON.parse(recall('chat.rooms') ?? '[]');
    return Array.isArray(names) ? names.filter((name) => ROOM.test(name)).slice(0, MOST_ROOMS) : [];
  } catch { return []; }
}

/** The room that the address names, so that it can be passed on. */
function named() {
  try { return decodeURIComponent(location.hash.slice(1)); } catch { return location.hash.slice(1); }
}

/** Brings a room into sight. */
function show(name) {
  if (active) active.draft = byId('text').value;
  active = rooms.get(name) ?? null;
  byId('text').value = active?.draft ?? '';
  history.replaceState(null, '', active ? `#${active.name}` : location.pathname);
  if (active) byId('join-panel').open = false;
  else byId('join-panel').open = true;
  render();
  toEnd();
  measure();
}

function hint(text) {
  const node = byId('join-hint');
  node.textContent = text;
  node.hidden = text === '';
  node.classList.toggle('wrong', text !== '');
}

/** What is wrong with the form, if anything is. */
function objection(member, name, token) {
  const isNamed = MEMBER.test(member) && new TextEncoder().encode(member).length <= 64;
  if (!isNamed && !(token && member === '')) return ['name', t('join.badname')];
  if (!ROOM.test(name)) return ['room', t('join.badroom')];
  if (token && !TOKEN.test(token)) return ['token', t('join.badtoken')];
  if (!rooms.has(name) && rooms.size >= MOST_ROOMS) return ['room', t('join.toomany', { most: MOST_ROOMS })];
  return null;
}

byId('join-form').addEventListener('submit', (event) => {
  event.preventDefault();
  // Composed as the server keeps it: macOS decomposes what comes from file names.
  const [member, name, token] = ['name', 'room', 'token'].map((id) => byId(id).value.trim().normalize('NFC'));
  const wrong = objection(member, name, token);
  for (const id of ['name', 'room', 'token']) byId(id).setAttribute('aria-invalid', String(wrong?.[0] === id));
  hint(wrong?.[1] ?? '');
  if (wrong) {
    byId(wrong[0]).focus();
    return;
  }
  remember('chat.name', member);
  enter(name, member, token);
  byId('room').value = '';
  byId('text').focus();
});

// ---- hearing ------------------------------------------------------------------------------------------------------

function heard(room, line) {
  const isSeen = room === active && isAtEnd() && !document.hidden;
  if (isSeen) return;
  room.unread += 1;
  const go = () => {
    if (rooms.get(room.name) !== room) return;
    show(room.name);
    byId('text').focus();
  };
  const title = `${line.from} · #${room.name}`;
  if (document.hidden) notify(title, line.text, room.name, go);
  else toast(title, line.text, go, room !== active);
}

/** Nothing is unread that is in sight. */
function see() {
  if (!active || document.hidden || !isAtEnd() || active.unread === 0) return;
  active.unread = 0;
  soon();
}

// ---- saying -------------------------------------------------------------------------------------------------------

/** Says how long the message is; returns what prevents sending it. */
function measure() {
  const text = byId('text').value;
  const bytes = weight(text);
  const problem = bytes > MOST_BYTES ? 'say.toolong' : active?.isFull ? 'say.full' : '';
  byId('text-size').textContent = t(problem || 'say.size', { bytes: number(bytes), most: number(MOST_BYTES) });
  byId('text-size').className = problem ? 'hint wrong' : '';
  byId('text').disabled = !active?.member;
  byId('send').disabled = !active?.member || problem !== '' || text.trim() === '';
  return problem;
}

function say() {
  const text = byId('text').value.replace(/\s+$/u, '');
  if (!active?.member || text.trim() === '' || measure()) return;
  byId('text').value = '';
  active.say(text);
  render();
  toEnd();
  see();
}

byId('say-form').addEventListener('submit', (event) => {
  event.preventDefault();
  say();
  byId('text').focus();
});
byId('text').addEventListener('input', measure);
byId('text').addEventListener('keydown', (event) => {
  // While a word is being put together from several keys, Enter belongs to that.
  if (event.key !== 'Enter' || event.shiftKey || event.isComposing) return;
  event.preventDefault();
  say();
});

// ---- what is shown ------------------------------------------------------------------------------------------------

let waiting = 0;

/** Shows what changed, once per picture; a page out of sight has no pictures but still a title. */
function soon() {
  if (waiting) return;
  waiting = document.hidden ? setTimeout(render, 100) : requestAnimationFrame(render);
}

function write(id, text) {
  const node = byId(id);
  if (node.textContent !== text) node.textContent = text;
}

function render() {
  waiting = 0;
  showRooms();
  showLink();
  showMembers();
  draw(active);
  write('talk-title', active ? `#${active.name}` : t('chat.title'));
  byId('older').hidden = !active?.older || !active.isOpen;
  write('empty', t(active ? 'chat.empty' : 'chat.empty.none'));
  byId('empty').hidden = Boolean(active && (active.lines.length > 0 || !active.isOpen));
  const isBehind = Boolean(active) && active.unread > 0;
  byId('newer').hidden = !isBehind;
  if (isBehind) write('newer', active.unread === 1 ? t('chat.newer.one') : t('chat.newer', { n: number(active.unread) }));
  const unread = [...rooms.values()].reduce((sum, room) => sum + room.unread, 0);
  document.title = unread ? `(${unread}) ${t('title.chat')}` : t('title.chat');
  const told = notifying();
  write('notify', t(`notify.${told}`));
  byId('notify').hidden = told === 'none';
  byId('notify').disabled = told === 'denied';
  byId('notify').setAttribute('aria-pressed', String(told === 'on'));
  measure();
  see();
}

/** The items of the list of rooms, by name: they stay, so that the focus stays. */
const items = new Map();

function showRooms() {
  for (const [name, { item }] of items) {
    if (rooms.has(name)) continue;
    item.remove();
    items.delete(name);
  }
  for (const [name, room] of rooms) {
    const { open, dot, badge, away } = items.get(name) ?? addRoom(name);
    if (room === active) open.setAttribute('aria-current', 'true');
    else open.removeAttribute('aria-current');
    dot.className = `dot ${DOTS[room.link.state]}`;
    const text = room.unread ? t(room.unread === 1 ? 'rooms.unread.one' : 'rooms.unread', { n: number(room.unread) }) : '';
    if (badge.textContent !== text) badge.textContent = text;
    away.setAttribute('aria-label', t('rooms.leave', { room: name }));
    away.title = t('rooms.leave', { room: name });
  }
  byId('rooms').hidden = rooms.size === 0;
}

const DOTS = { open: 'on', connecting: 'wait', waiting: 'off', refused: 'off', ended: '' };

function addRoom(name) {
  const made = { item: element('li'), open: element('button', 'open'), dot: element('i', 'dot'), badge: element('span', 'unread'), away: element('button', 'ghost', '×') };
  made.open.type = 'button';
  made.away.type = 'button';
  made.open.append(made.dot, element('span', 'name', name), made.badge);
  made.open.addEventListener('click', () => show(name));
  made.away.addEventListener('click', () => leave(name));
  made.item.append(made.open, made.away);
  byId('rooms').append(made.item);
  items.set(name, made);
  return made;
}

/** The state of the connection in words. */
function showLink() {
  const link = active?.link;
  const why = active?.problem || link?.last?.reason || (link?.last ? String(link.last.code) : '');
  const wasOpen = link?.last?.opened || Boolean(link?.last?.reason);
  const words = {
    open: () => t(!active.isOpen ? 'link.entering' : active.recovered ? 'link.again' : 'link.open', { name: `\u2068${active.member}\u2069` }),
    connecting: () => t('link.connecting'),
    waiting: () => (wasOpen ? t('link.lost', { why }) : t('link.none.yet')),
    refused: () => (wasOpen ? t('link.refused', { why }) : t('link.unwelcome')),
  }[link?.state];
  write('link-text', words?.() ?? t('link.none'));
  byId('link-text').dataset.state = link?.state ?? 'ended';
  byId('link-dot').className = `dot ${DOTS[link?.state ?? 'ended']}`;
  byId('again').hidden = link?.state !== 'waiting' && link?.state !== 'refused';
  showPause();
}

function showPause() {
  const link = active?.link;
  const seconds = Math.ceil(Math.max(0, (link?.retryAt ?? 0) - Date.now()) / 1000);
  write('link-pause', link?.state === 'waiting' ? t('link.pause', { seconds: number(seconds) }) : '');
}

function showMembers() {
  const byName = new Map();
  for (const name of active?.members.values() ?? []) byName.set(name, (byName.get(name) ?? 0) + 1);
  const names = [...byName.keys()].sort((one, other) => one.localeCompare(other));
  const label = (name) => (byName.get(name) > 1 ? t('members.times', { n: byName.get(name) }) : '');
  const wanted = names.slice(0, MOST_NAMES).map((name) => [name, name === active.member ? t('members.you') : '', label(name)]);
  const more = (active?.count ?? 0) - names.slice(0, MOST_NAMES).reduce((sum, name) => sum + byName.get(name), 0);
  if (more > 0 && wanted.length > 0) wanted.push(['', t('members.more', { n: number(more) }), '']);
  const seen = JSON.stringify(wanted);
  write('members-title', active ? t('members.count', { n: number(active.count) }) : t('members.title'));
  if (byId('members').dataset.seen === seen) return;
  byId('members').dataset.seen = seen;
  byId('members').replaceChildren(...wanted.map(([name, remark, times]) => {
    const item = element('li');
    if (name) item.append(element('bdi', '', name));
    for (const part of [remark, times]) if (part) item.append(element('span', 'hint', part));
    return item;
  }));
}

byId('older').addEventListener('click', () => active?.loadOlder());
byId('newer').addEventListener('click', () => {
  toEnd();
  see();
  byId('text').focus();
});
byId('again').addEventListener('click', () => {
  active?.link.open();
  byId('text').focus();
});
byId('notify').addEventListener('click', async () => {
  await switchNotifying();
  soon();
});
byId('log').addEventListener('scroll', see, { passive: true });
document.addEventListener('visibilitychange', () => {
  if (!document.hidden) render();
});
setInterval(showPause, 500);

// ---- beginning and end --------------------------------------------------------------------------------------------

addEventListener('online', () => { for (const room of rooms.values()) room.link.hurry(); });
// The page is left: a clean end is kinder than a dropped connection. It may come back from the browser's memory.
addEventListener('pagehide', () => { for (const room of rooms.values()) room.leave(); });
addEventListener('pageshow', ({ persisted }) => {
  if (persisted) for (const room of rooms.values()) room.enter();
});
addEventListener('hashchange', () => follow(named()));

/** Goes where the address says. */
function follow(name) {
  if (rooms.has(name)) return show(name);
  if (name === '') return undefined;
  byId('room').value = name;
  byId('join-panel').open = true;
  const member = recall('chat.name');
  const wrong = objection(member ?? '', name, '');
  if (!wrong) return enter(name, member, '');
  if (member || wrong[0] === 'room') hint(wrong[1]);
  return byId(wrong[0]).focus();
}

byId('name').value = recall('chat.name') ?? '';
onAppearance(() => {
  redraw();
  // Its words are in the old language.
  byId('members').dataset.seen = '';
  render();
});
byId('room').value = 'lobby';
if (MEMBER.test(byId('name').value)) for (const name of kept()) enter(name, byId('name').value, '');
follow(asked);
