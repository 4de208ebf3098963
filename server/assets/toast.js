// Short notices of what happens out of sight, and the browser's own notifications for those who asked for them.
import { byId, element, recall, remember, t } from '/common.js';

/** Notices shown at once; the oldest goes. */
const MOST_SHOWN = 3;
/** How long one stays, in milliseconds, unless it is looked at. */
const STAYS = 6000;
/** Characters of a message that a notice shows. */
const MOST_OF_ONE = 140;

const box = byId('toasts');

/** A text of one line that fits into a notice. */
export function brief(text) {
  const line = text.replace(/\s+/gu, ' ').trim();
  const letters = [...line];
  return letters.length > MOST_OF_ONE ? `${letters.slice(0, MOST_OF_ONE).join('')}…` : line;
}

/** Shows a notice; `go` is what a click on it does. `aloud` tells screen readers, which else hear of it from the list. */
export function toast(title, text, go, aloud) {
  const item = element('div', 'toast');
  const body = element('button', 'toast-body');
  body.type = 'button';
  const words = element('bdi', '', brief(text));
  body.append(element('b', '', title), words);
  const close = element('button', 'ghost', '×');
  close.type = 'button';
  close.setAttribute('aria-label', t('toast.close'));
  item.append(body, close);
  let timer = 0;
  const away = () => { clearTimeout(timer); item.remove(); };
  const stay = () => clearTimeout(timer);
  const count = () => { clearTimeout(timer); timer = setTimeout(away, STAYS); };
  body.addEventListener('click', () => { away(); go(); });
  close.addEventListener('click', away);
  for (const kind of ['pointerenter', 'focusin']) item.addEventListener(kind, stay);
  for (const kind of ['pointerleave', 'focusout']) item.addEventListener(kind, count);
  count();
  box.append(item);
  while (box.childElementCount > MOST_SHOWN) box.firstElementChild.remove();
  if (aloud) byId('aloud').textContent = `${title}: ${brief(text)}`;
}

// ---- the browser's notifications ----------------------------------------------------------------------------------

const KEY = 'chat.notify';
const isPossible = 'Notification' in globalThis;

/** `on`, `off`, `denied` by the browser, or `none` where it has no such thing. */
export function notifying() {
  if (!isPossible) return 'none';
  if (Notification.permission === 'denied') return 'denied';
  return Notification.permission === 'granted' && recall(KEY) === 'true' ? 'on' : 'off';
}

/** Turns them on or off; the browser asks the person the first time. */
export async function switchNotifying() {
  if (!isPossible) return;
  const wanted = notifying() !== 'on';
  if (wanted && Notification.permission === 'default') await Notification.requestPermission();
  remember(KEY, String(wanted && Notification.permission === 'granted'));
}

/** Tells of a message while nobody looks at the page; one notification per room, the newest. */
export function notify(title, text, room, go) {
  if (!document.hidden || notifying() !== 'on') return;
  try {
    const shown = new Notification(title, { body: brief(text), tag: `chat-${room}`, icon: '/icon.svg' });
    shown.addEventListener('click', () => { globalThis.focus(); shown.close(); go(); });
  } catch {
    // Some browsers on phones have them for service workers alone; the count in the title has to do.
  }
}
