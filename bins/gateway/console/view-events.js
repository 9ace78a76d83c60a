// What happens, as it is told: live, to be held, filtered, and each with its JSON.
import { read } from './api.js';
import { h, redraw } from './dom.js';
import { clockSeconds, full, isToday, shortDay, t, word } from './i18n.js';
import { chosen, instances } from './instances.js';
import { hear } from './live.js';
import { chooser, copy, curl, nothing, problem, waiting } from './parts.js';
import { go, place, to } from './router.js';
import { Rows } from './virtual.js';

/** So many are read of each instance, and kept. */
const READ = 200;
const KEPT = 5_000;
const rows = new Rows(40);

const shown = { instance: null, event: null, events: null, readOf: null, error: null, isHeld: false, held: 0, filter: '', missing: false };

export const title = () => t('nav.events');

export function open({ parts: [, instance, event], query }) {
  shown.event = event ?? null;
  shown.filter = query.get('type') ?? shown.filter;
  const scope = event ? shown.instance ?? null : instance ?? null;
  shown.instance = event && scope !== instance && shown.readOf === null ? instance : scope;
  fill();
  if (event) reach(instance, event);
}

async function fill() {
  const ids = chosen(shown.instance);
  const of = ids.join();
  if (shown.readOf === of) return;
  Object.assign(shown, { readOf: of, events: null, error: null });
  try {
    const pages = await Promise.all(ids.map((id) => read(`/api/instances/${id}/events`, { limit: READ })));
    if (shown.readOf !== of) return;
    shown.events = pages.flatMap(({ events }) => events).sort((a, b) => b.timestamp.localeCompare(a.timestamp));
  } catch (error) {
    Object.assign(shown, { error, readOf: null });
  }
  redraw();
}

/** An event that an address names may be older than those that are listed. */
async function reach(instance, id) {
  shown.missing = false;
  if (shown.events?.some((event) => event.id === id)) return;
  try {
    const { events } = await read(`/api/instances/${instance}/events`, { limit: 1_000 });
    const found = events.find((event) => event.id === id);
    if (found && !shown.events?.some((event) => event.id === id)) shown.events = [...(shown.events ?? []), found];
    shown.missing = !found;
  } catch (error) {
    shown.error = error;
  }
  redraw();
}

hear((event) => {
  if (!shown.events || (shown.instance && event.data.instanceId !== shown.instance)) return;
  if (shown.isHeld) shown.held += 1;
  shown.waiting = [event, ...(shown.waiting ?? [])].slice(0, KEPT);
  if (!shown.isHeld) flow();
});

/** Lets in what has come. */
function flow() {
  const known = new Set(shown.events.slice(0, READ).map(({ id }) => id));
  shown.events = [...(shown.waiting ?? []).filter(({ id }) => !known.has(id)), ...shown.events].slice(0, KEPT);
  Object.assign(shown, { waiting: [], held: 0 });
}

function hold() {
  shown.isHeld = !shown.isHeld;
  if (!shown.isHeld) flow();
}

export function view() {
  if (instances.all === null) return waiting(shown);
  if (shown.readOf === null && !shown.error) fill();
  const kinds = [...new Set((shown.events ?? []).map(({ type }) => type))].sort();
  return h('section', { class: 'page tall' },
    h('header', { class: 'head' }, h('h1', {}, title()), curl({ path: '/api/events/stream' }, title())),
    h('div', { class: 'filters' },
      chooser(shown.instance, (id) => go(id ? to('events', id) : to('events'))),
      h('select', { 'aria-label': t('events.type'), value: shown.filter, onchange: (event) => { shown.filter = event.target.value; } },
        [['', t('events.all')], ...kinds.map((kind) => [kind, word('event', kind)])].map(([value, text]) => h('option', { value, selected: value === shown.filter }, text))),
      h('button', { 'aria-pressed': String(shown.isHeld), onclick: hold }, shown.isHeld ? t('events.go_on', { count: shown.held }) : t('events.hold'))),
    body(), shown.event && opened());
}

function body() {
  if (shown.error) return problem(shown.error, fill);
  if (chosen(shown.instance).length === 0 && instances.all.length > 0) return nothing(t('instances.pick'), t('instances.pick_text'));
  if (!shown.events) return waiting(shown);
  const items = shown.events.filter(({ type }) => !shown.filter || type === shown.filter);
  if (items.length === 0) return nothing(t('events.none'), t('events.none_text'));
  return rows.view(items, row, { label: title(), keyOf: ({ id }) => id });
}

function row({ id, type, timestamp, data }) {
  return h('a', { class: 'event', href: to('events', data.instanceId, id), 'data-row': true, 'aria-current': id === shown.event ? 'true' : null },
    h('time', { datetime: timestamp, title: full(timestamp) }, isToday(timestamp) ? clockSeconds(timestamp) : shortDay(timestamp)),
    h('span', { class: 'of' }, instances.byId.get(data.instanceId)?.name ?? ''),
    h('span', { class: 'what' }, word('event', type)),
    h('span', { class: 'gist' }, about(data)));
}

/** What it is about, in a line. */
function about(data) {
  const chat = (data.pn ?? data.remoteJid ?? '').split('@')[0];
  const rest = [data.body, data.status && word('status', data.status), data.cause && word('cause', data.cause), data.action && word('action', data.action), data.state, data.media?.state, data.name];
  return [chat && `+${chat}`, ...rest].filter(Boolean).join(' · ');
}

function opened() {
  const event = shown.events?.find(({ id }) => id === shown.event);
  const back = () => go(shown.instance ? to('events', shown.instance) : to('events'));
  const json = event && JSON.stringify(event, null, 2);
  const chat = event?.data.remoteJid;
  return h('aside', { class: 'drawer', 'aria-label': t('events.event') },
    h('header', {}, h('h2', {}, event ? word('event', event.type) : t('events.event')), h('button', { class: 'bare', 'aria-label': t('close'), onclick: back }, h('span', { 'aria-hidden': 'true' }, '✕'))),
    event
      ? [
        h('p', { class: 'faint' }, full(event.timestamp)),
        chat && event.data.messageId && h('p', {}, h('a', { href: to('chats', event.data.instanceId, chat, event.data.messageId) }, t('events.to_message'))),
        h('pre', { tabindex: 0, 'aria-label': 'JSON' }, json),
        h('button', { onclick: () => copy(json) }, t('copy')),
      ]
      : shown.missing ? nothing(t('events.gone'), t('events.gone_text')) : waiting(place));
}
