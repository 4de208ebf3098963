// The lines of a chat room as a list. Whatever somebody wrote becomes text and nothing else.
import { byId, element, moment, number, t } from '/common.js';

const scroller = byId('log');
const list = byId('entries');

/** Pixels from the end within which the list counts as being at its end. */
const NEAR = 48;

/** Characters that show nothing or turn the writing around, so that a text could pass for another: shown by their numbers. */
const TRICKS = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/u;

/** The node of each line and what it was made from. */
let drawn = new WeakMap();
let room = null;

/** A text with what is dangerous to the eye made visible. */
function visible(text) {
  const made = element('bdi', 'said');
  for (const part of text.replace(/\r\n?/g, '\n').split(new RegExp(`(${TRICKS.source})`, 'u'))) {
    if (part === '') continue;
    if (TRICKS.test(part)) made.append(element('span', 'control', `U+${part.codePointAt(0).toString(16).toUpperCase().padStart(4, '0')}`));
    else made.append(part);
  }
  return made;
}

function time(at) {
  const made = element('time', '', moment(at));
  made.dateTime = new Date(at).toISOString();
  return made;
}

const STATES = { waiting: 'say.waiting', sending: 'say.sending', provisional: 'say.provisional', failed: 'say.failed' };

function message(line) {
  const item = element('li', `entry ${line.mine ? 'out' : 'in'}${line.state === 'failed' ? ' bad' : ''}`);
  item.dataset.state = line.state;
  const arrow = element('span', 'arrow', line.mine ? '↑' : '↓');
  arrow.setAttribute('aria-hidden', 'true');
  const meta = element('div', 'meta');
  meta.append(element('bdi', 'who', line.from));
  if (line.mine) meta.append(element('span', '', t('say.you')));
  meta.append(time(line.at));
  if (line.mine && line.state === 'stored') meta.append(element('span', 'badge', t('say.stored')));
  else if (line.state !== 'stored') meta.append(element('span', 'mark', t(STATES[line.state])));
  const cell = element('div');
  cell.append(meta, visible(line.text));
  if (line.state === 'failed') {
    const failure = element('p', 'failure');
    const again = element('button', 'small', t('say.retry'));
    again.type = 'button';
    again.addEventListener('click', () => { room.retry(line); byId('text').focus(); });
    failure.append(element('span', '', line.error), again);
    cell.append(failure);
  }
  item.append(arrow, cell);
  return item;
}

/** A line that nobody said: `words` between two rules or behind a mark. */
function note(line, className, words) {
  const item = element('li', `remark ${className}`);
  item.append(element('span', '', words), time(line.at));
  return item;
}

function make(line) {
  if (line.kind === 'message') return message(line);
  if (line.kind === 'presence') return note(line, 'presence', t(`presence.${line.event}`, { name: `\u2068${line.name}\u2069` }));
  if (line.kind === 'error') return note(line, 'bad', t('chat.error', { text: line.text }));
  const missing = line.count === 1 ? t('gap.one') : line.count > 1 ? t('gap.some', { n: number(line.count) }) : t('gap.unknown');
  return note(line, 'gap', `${missing} ${t(`gap.${line.reason}`)}`);
}

/** The node of a line: the one it has, unless something about it changed. */
function node(line) {
  const look = `${line.state} ${line.at} ${line.error}`;
  const known = drawn.get(line);
  if (known?.look === look) return known.made;
  const made = make(line);
  drawn.set(line, { look, made });
  return made;
}

/** Whether the newest line is in sight. */
export function isAtEnd() {
  return scroller.scrollHeight - scroller.scrollTop - scroller.clientHeight < NEAR;
}

export function toEnd() {
  scroller.scrollTop = scroller.scrollHeight;
}

/** Shows the lines of `shown`; what is there already stays, so that a screen reader hears of new lines alone. */
export function draw(shown) {
  const isOther = shown !== room;
  room = shown;
  const wanted = shown ? shown.lines.map(node) : [];
  const stays = !isOther && !isAtEnd();
  // A picture of what the reader looks at: lines that come in above must not push it down.
  const anchor = stays ? [...list.children].find((item) => item.offsetTop + item.offsetHeight > scroller.scrollTop) : null;
  const wasAt = anchor?.offsetTop;
  const isBulk = isOther || wanted.length - list.childElementCount > 20;
  // Many at once are not to be read out.
  list.parentElement.setAttribute('aria-live', isBulk ? 'off' : 'polite');
  if (isOther) list.replaceChildren();
  const keep = new Set(wanted);
  for (const item of [...list.children]) if (!keep.has(item)) item.remove();
  let place = list.firstElementChild;
  for (const item of wanted) {
    if (item === place) place = place.nextElementSibling;
    else list.insertBefore(item, place);
  }
  if (!stays) toEnd();
  else if (anchor?.isConnected) scroller.scrollTop += anchor.offsetTop - wasAt;
}

/** Draws everything anew, in another language say. */
export function redraw() {
  drawn = new WeakMap();
  const shown = room;
  room = null;
  draw(shown);
}
