// What the pages share: language, theme, small helpers. Nothing is ever written as HTML, only as text.
import { strings } from '/strings.js';

/** Reads a saved setting; a browser that forbids storage has none. */
export function recall(key) {
  try { return localStorage.getItem(key); } catch { return null; }
}

/** Saves a setting; without storage, or with full storage, it lasts as long as the page. Tells whether it was saved. */
export function remember(key, value) {
  try { localStorage.setItem(key, value); return true; } catch { return false; }
}

export const byId = (id) => document.getElementById(id);

/** Makes an element with a class and a text. */
export function element(tag, className = '', text = '') {
  const made = document.createElement(tag);
  if (className) made.className = className;
  if (text !== '') made.textContent = text;
  return made;
}

let language = recall('language') ?? (navigator.language?.toLowerCase().startsWith('pt') ? 'pt' : 'en');
if (!(language in strings)) language = 'en';

/** Whether the language in use has a string of its own called `key`. */
export const has = (key) => key in strings[language];

/** The string called `key` in the language in use, with `{name}` replaced from `values`. */
export function t(key, values = {}) {
  const text = strings[language][key] ?? strings.en[key] ?? key;
  return text.replace(/\{(\w+)\}/g, (whole, name) => (name in values ? String(values[name]) : whole));
}

const locale = () => (language === 'pt' ? 'pt-BR' : 'en-GB');

/** A number as it is written in the language in use. */
export function number(value, digits = 0) {
  return value.toLocaleString(locale(), { minimumFractionDigits: digits, maximumFractionDigits: digits });
}

/** A number of bytes with a unit that keeps it short. */
export function bytes(value) {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  let unit = 0;
  let size = value;
  while (Math.abs(size) >= 1024 && unit < units.length - 1) { size /= 1024; unit += 1; }
  return `${number(size, unit === 0 || Math.abs(size) >= 100 ? 0 : 1)} ${units[unit]}`;
}

/** The time of day to the millisecond. */
export function clock(milliseconds) {
  const date = new Date(milliseconds);
  const pad = (part, width) => String(part).padStart(width, '0');
  return `${pad(date.getHours(), 2)}:${pad(date.getMinutes(), 2)}:${pad(date.getSeconds(), 2)}.${pad(date.getMilliseconds(), 3)}`;
}

/** The time of day to the minute, with the date unless that is today. */
export function moment(milliseconds) {
  const date = new Date(milliseconds);
  const time = { hour: '2-digit', minute: '2-digit' };
  if (date.toDateString() === new Date().toDateString()) return date.toLocaleTimeString(locale(), time);
  return date.toLocaleString(locale(), { ...time, day: '2-digit', month: '2-digit', year: 'numeric' });
}

const listeners = [];

/** Calls `apply` now, and again whenever the language or the theme changes. */
export function onAppearance(apply) {
  listeners.push(apply);
  apply();
}

function translate() {
  document.documentElement.lang = language === 'pt' ? 'pt-BR' : 'en';
  for (const node of document.querySelectorAll('[data-t]')) node.textContent = t(node.dataset.t);
  for (const node of document.querySelectorAll('[data-t-label]')) {
    const key = node.getAttribute('aria-keyshortcuts');
    const label = key ? `${t(node.dataset.tLabel)} (${key})` : t(node.dataset.tLabel);
    node.setAttribute('aria-label', label);
    if (node.tagName === 'BUTTON') node.title = label;
  }
  byId('language').textContent = language === 'pt' ? 'EN' : 'PT';
}

function changed() {
  translate();
  for (const listener of listeners) listener();
}

/** Whether the page is dark, by its own switch or else by the system's setting. */
function isDark() {
  const chosen = document.documentElement.dataset.theme;
  return chosen ? chosen === 'dark' : !matchMedia('(prefers-color-scheme: light)').matches;
}

/** Colours of the present theme, for what is drawn. */
export function colours() {
  const style = getComputedStyle(document.documentElement);
  const read = (name) => style.getPropertyValue(`--${name}`).trim();
  return Object.fromEntries(['ground', 'panel', 'line', 'ink', 'soft', 'out', 'in', 'good', 'bad', 'grid'].map((name) => [name, read(name)]));
}

/** Whether the reader asked for less motion. */
export const stillness = matchMedia('(prefers-reduced-motion: reduce)');

/** Makes a canvas as sharp as the screen; returns its context and its size in CSS pixels. */
export function fit(canvas) {
  const { width, height } = canvas.getBoundingClientRect();
  const ratio = Math.min(devicePixelRatio || 1, 3);
  const [w, h] = [Math.round(width * ratio), Math.round(height * ratio)];
  if (canvas.width !== w || canvas.height !== h) { canvas.width = w; canvas.height = h; }
  const context = canvas.getContext('2d');
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.clearRect(0, 0, width, height);
  return { context, width, height };
}

/** The address of a route of the server that this page came from. */
export function address(route) {
  const url = new URL(route, location.href);
  if (url.protocol === 'https:') url.protocol = 'wss:';
  if (url.protocol === 'http:') url.protocol = 'ws:';
  url.hash = '';
  return url;
}

/** A pause before the next attempt: doubling from a quarter second to eight, with jitter so that pages do not come together. */
export function backoff(attempt) {
  return Math.min(8000, 250 * 2 ** attempt) * (0.5 + Math.random() / 2);
}

const saved = recall('theme');
if (saved === 'dark' || saved === 'light') document.documentElement.dataset.theme = saved;
byId('theme').addEventListener('click', () => {
  const next = isDark() ? 'light' : 'dark';
  document.documentElement.dataset.theme = next;
  remember('theme', next);
  changed();
});
byId('language').addEventListener('click', () => {
  language = language === 'pt' ? 'en' : 'pt';
  remember('language', language);
  changed();
});
matchMedia('(prefers-color-scheme: light)').addEventListener('change', changed);
translate();
