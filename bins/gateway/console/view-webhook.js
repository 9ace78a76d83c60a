// One webhook: its health, its attempts, what is owed, and its settings.
import { Refusal, call, read } from './api.js';
import { close as closeDialog, open as openDialog } from './dialog.js';
import { h, redraw } from './dom.js';
import { ago, full, number, percent, t, word } from './i18n.js';
import { icon } from './icons.js';
import { instances } from './instances.js';
import { hear } from './live.js';
import { action, copy, facts, field, nothing, problem, tabs, tick, waiting } from './parts.js';
import { RECEIVERS } from './receivers.js';
import { go, to } from './router.js';
import { session } from './session.js';
import { FORMATS, health } from './webhook.js';

const TABS = ['deliveries', 'owed', 'settings', 'receiver'];
const STATES = ['delivered', 'failed', 'given_up'];
/** Attempts that the strip shows. */
const STRIP = 80;
/** What is owed and what was tried is told by no event: it is read anew as often, and so long after something happened. */
const OFTEN = 3_000;
const AFTER = 500;

const shown = { of: null, instance: null, name: null, tab: 'deliveries', webhook: null, deliveries: null, more: null, state: '', pending: null, dead: null, error: null, draft: null, language: 'Node', range: { from: '', to: '' } };
const base = () => `/api/instances/${shown.instance}/webhooks/${encodeURIComponent(shown.name)}`;

export const title = () => shown.name ?? t('nav.webhooks');

export function open({ parts: [, instance, name, tab, event] }) {
  if (instance !== shown.instance || name !== shown.name) Object.assign(shown, { instance, name, webhook: null, deliveries: null, pending: null, dead: null, error: null, draft: null, state: '' });
  shown.tab = TABS.includes(tab) ? tab : 'deliveries';
  shown.event = event ?? null;
  watch ??= setInterval(() => session.token && !document.hidden && refresh(), OFTEN);
  refresh();
}

async function refresh() {
  const of = base();
  try {
    const [webhook, { deliveries, pagination }, pending, dead] = await Promise.all([
      read(of), read(`${of}/deliveries`, { limit: 100, state: shown.state }), read(`${of}/pending`, { limit: 50 }), read(`${of}/dead-letters`, { limit: 50 }),
    ]);
    if (of !== base()) return;
    // Pages that were read before stay behind the newest one.
    const last = deliveries.at(-1)?.at ?? '';
    const rest = (shown.of === `${of} ${shown.state}` ? shown.deliveries : []).filter(({ at }) => at < last);
    if (rest.length === 0) shown.more = pagination.next;
    Object.assign(shown, { of: `${of} ${shown.state}`, webhook, deliveries: [...deliveries, ...rest], pending, dead, error: null });
  } catch (error) {
    shown.error = error;
  }
  redraw();
}

async function older() {
  const { deliveries, pagination } = await call({ path: `${base()}/deliveries`, query: { limit: 100, state: shown.state, before: shown.more } });
  Object.assign(shown, { deliveries: [...shown.deliveries, ...deliveries], more: pagination.next });
  redraw();
}

let due = null;
hear(({ data }) => {
  if (data.instanceId !== shown.instance || !shown.webhook) return;
  due ??= setTimeout(() => { due = null; refresh(); }, AFTER);
});

let watch = null;

export function close() {
  clearTimeout(due);
  clearInterval(watch);
  [due, watch] = [null, null];
  Object.assign(shown, { webhook: null, deliveries: null, instance: null });
}

export function view() {
  if (shown.error instanceof Refusal && shown.error.status === 404) return nothing(t('webhook.gone'), null, h('a', { class: 'button', href: to('webhooks') }, t('nav.webhooks')));
  if (!shown.webhook) return shown.error ? problem(shown.error, refresh) : waiting(shown);
  const { webhook, tab } = shown;
  const { tone, shape, words } = health(webhook);
  return h('section', { class: 'page' },
    h('p', { class: 'trail' }, h('a', { href: to('webhooks') }, t('nav.webhooks')), ' · ', h('a', { href: to('instances', shown.instance) }, instances.byId.get(shown.instance)?.name)),
    h('header', { class: 'head' }, h('h1', {}, webhook.name), h('span', { class: `state ${tone}` }, icon(shape), words)),
    h('p', { class: 'why mono' }, webhook.url),
    strip(),
    doings(webhook),
    tabs(webhook.name, TABS.map((name) => [name, name === 'owed' ? `${t('tab.owed')} ${number(shown.pending.pagination.total + shown.dead.pagination.total)}` : t(`tab.${name}`), to('webhooks', shown.instance, shown.name, name)]), tab),
    { deliveries, owed, settings, receiver }[tab](webhook));
}

/** An event has one id, however often it was tried. */
const keyOf = ({ id, at, attempt }) => `${id} ${attempt} ${at}`;

/** The last attempts, the newest at the end: how tall says as much as the colour. */
function strip() {
  if (shown.state || shown.deliveries.length === 0) return null;
  const last = shown.deliveries.slice(0, STRIP).reverse();
  const taken = last.filter(({ state }) => state === 'delivered').length;
  return h('div', { class: 'attempts' },
    h('span', { class: 'bars', 'aria-hidden': 'true' }, last.map((attempt) => h('i', { key: keyOf(attempt), class: attempt.state }))),
    h('span', {}, t('webhook.taken', { part: percent(taken / last.length), count: last.length })));
}

function doings(webhook) {
  const post = (what, body) => ({ method: 'POST', path: `${base()}/${what}`, body });
  return h('div', { class: 'doings' },
    action({ label: t('webhook.test'), call: post('test'), done: tested, disabled: !webhook.url }),
    webhook.pausedAt && action({ label: t('do.resume'), kind: 'main', call: post('resume'), done: refresh }),
    h('button', { key: 'range', onclick: range }, t('webhook.replay')),
    action({ label: t('webhook.rotate'), call: post('secret/rotate', {}), done: refresh, ask: { title: t('webhook.rotate'), text: t('webhook.rotate_text') } }),
    action({ label: t('do.delete'), kind: 'danger', call: { method: 'DELETE', path: base() }, ask: { title: t('ask.delete', { name: webhook.name }), text: t('webhook.delete_text') }, done: () => go(to('webhooks'), { instead: true }) }));
}

function tested({ delivered, status, error, body, durationMs }) {
  openDialog({
    title: t(delivered ? 'webhook.took' : 'webhook.refused'),
    body: () => [facts([[t('webhook.status'), status], [t('webhook.duration'), `${number(durationMs)} ms`], error && [t('webhook.error'), error]]), body && h('pre', { tabindex: 0, 'aria-label': t('webhook.answer') }, body)],
  });
  refresh();
}

/** A part of the log, once more. */
function range() {
  const iso = (local) => (local ? new Date(local).toISOString() : undefined);
  const set = (name) => (event) => { shown.range[name] = event.target.value; };
  openDialog({
    title: t('webhook.replay'),
    body: () => [
      h('p', {}, t('webhook.replay_text')),
      field({ id: 'from', label: t('webhook.from'), type: 'datetime-local', step: 1, value: shown.range.from, onchange: set('from') }),
      field({ id: 'to', label: t('webhook.to'), hint: t('webhook.to_hint'), type: 'datetime-local', step: 1, value: shown.range.to, onchange: set('to') }),
      shown.replayed !== undefined && h('p', { role: 'status' }, t('webhook.replayed', { count: shown.replayed })),
      h('footer', {}, h('button', { onclick: closeDialog }, t('close')), action({
        label: t('webhook.replay_go'), kind: 'main', disabled: !shown.range.from,
        call: { method: 'POST', path: `${base()}/replay`, body: { from: iso(shown.range.from), to: iso(shown.range.to) } },
        done: ({ replayed }) => { shown.replayed = replayed; refresh(); },
      })),
    ],
  });
}

const again = (event) => ({ method: 'POST', path: `${base()}/deliveries/${event}/redeliver` });

function deliveries() {
  return h('div', {},
    h('div', { class: 'filters' },
      h('select', { 'aria-label': t('webhook.state'), value: shown.state, onchange: (event) => { shown.state = event.target.value; refresh(); } },
        [['', t('webhook.all')], ...STATES.map((state) => [state, t(`delivery.${state}`)])].map(([value, text]) => h('option', { value, selected: value === shown.state }, text)))),
    shown.deliveries.length === 0
      ? nothing(t('webhook.no_attempts'), t('webhook.no_attempts_text'))
      : h('div', { class: 'scroll', tabindex: 0, role: 'region', 'aria-label': t('tab.deliveries') }, h('table', {},
        h('thead', {}, h('tr', {}, ['when', 'event', 'attempt', 'outcome', 'duration'].map((name) => h('th', { scope: 'col' }, t(`webhook.${name}`))), h('th', {}, h('span', { class: 'hear' }, t('webhook.redeliver'))))),
        h('tbody', {}, shown.deliveries.map(delivery)))),
    shown.more && h('p', {}, h('button', { onclick: older }, t('more'))));
}

const MARKS = { delivered: ['check', 'good'], failed: ['alert', 'warn'], given_up: ['out', 'bad'] };

function delivery(tried) {
  const { eventId, event, attempt, state, status, error, at, durationMs, replayed } = tried;
  const [shape, tone] = MARKS[state] ?? MARKS.failed;
  return h('tr', { key: keyOf(tried), class: eventId === shown.event ? 'shown' : null },
    h('td', {}, h('time', { datetime: at, title: full(at) }, ago(at))),
    h('td', {}, h('a', { href: to('events', shown.instance, eventId) }, word('event', event))),
    h('td', {}, number(attempt), replayed && h('small', { class: 'faint' }, ` ${t('webhook.was_replayed')}`)),
    h('td', {}, h('span', { class: `state ${tone}` }, icon(shape), t(`delivery.${state}`)), h('small', { class: 'faint' }, ` ${[status, error].filter(Boolean).join(' · ')}`)),
    h('td', {}, `${number(durationMs)} ms`),
    h('td', {}, action({ label: t('webhook.redeliver'), call: again(eventId), done: refresh })));
}

function owed() {
  const { pending, dead } = shown;
  const replay = (body) => ({ method: 'POST', path: `${base()}/dead-letters/replay`, body });
  const item = ({ id, event, timestamp, attempts, lastStatus, lastError, nextAttempt }) => h('li', { key: id },
    h('time', { datetime: timestamp }, timestamp ? ago(timestamp) : '–'),
    h('span', {}, event ? word('event', event) : t('events.gone'), h('span', { class: 'faint' }, ` · ${[t('webhook.tried', { count: attempts }), lastStatus, lastError, nextAttempt && t('state.retry', { time: ago(nextAttempt) })].filter(Boolean).join(' · ')}`)));
  return h('div', {},
    h('h2', {}, t('webhook.pending', { count: pending.pagination.total })),
    pending.pending.length > 0 && [h('ul', { class: 'activity' }, pending.pending.map(item)), action({ label: t('webhook.due_now'), call: replay({ ids: [], pending: true }), done: refresh })],
    h('h2', {}, t('webhook.dead', { count: dead.pagination.total })),
    dead.deadLetters.length > 0 && [h('ul', { class: 'activity' }, dead.deadLetters.map(item)), action({ label: t('webhook.replay_dead'), call: replay({}), done: refresh })]);
}

const NOTIFY = ['notifyReceived', 'notifySent', 'notifyDelivery', 'notifyRead'];
const CHANGED = ['url', 'enabled', 'format', ...NOTIFY, 'maxRetries', 'retryInterval', 'onGiveUp'];

function settings(webhook) {
  shown.draft ??= Object.fromEntries(CHANGED.map((name) => [name, webhook[name]]));
  const { draft } = shown;
  const set = (name, of = (value) => value) => (event) => { draft[name] = of(event.target.type === 'checkbox' ? event.target.checked : event.target.value); };
  return h('form', { onsubmit: (event) => event.preventDefault() },
    tick({ label: t('webhook.enabled'), checked: draft.enabled, onchange: set('enabled') }),
    h('div', { class: 'grid-of' },
      field({ id: 'url', label: t('webhook.url'), type: 'url', value: draft.url ?? '', oninput: set('url', (url) => url || null) }),
      field({ id: 'format', label: t('webhook.format'), value: draft.format, options: FORMATS.map((format) => [format, format]), onchange: set('format') }),
      field({ id: 'retries', label: t('webhook.retries'), type: 'number', min: 0, value: draft.maxRetries, oninput: set('maxRetries', Number) }),
      field({ id: 'interval', label: t('webhook.interval'), hint: t('webhook.interval_hint'), type: 'number', min: 0, value: draft.retryInterval, oninput: set('retryInterval', Number) }),
      field({ id: 'giveup', label: t('webhook.give_up'), value: draft.onGiveUp, options: ['wait', 'dead_letter'].map((name) => [name, t(`give_up.${name}`)]), onchange: set('onGiveUp') })),
    h('h2', {}, t('webhook.told')),
    NOTIFY.map((name) => tick({ label: t(`notify.${name}`), checked: draft[name], onchange: set(name) })),
    h('p', {}, action({ label: t('save'), kind: 'main', call: { method: 'PUT', path: base(), body: draft }, done: async () => { await refresh(); shown.draft = null; } })));
}

function receiver(webhook) {
  return h('div', {},
    h('p', {}, t('receiver.text')),
    facts([[t('receiver.secret'), webhook.secret ? h('span', { class: 'mono' }, '••••••••', h('button', { class: 'bare', onclick: () => copy(webhook.secret) }, t('copy'))) : t('receiver.no_secret')]]),
    h('div', { class: 'way', role: 'group', 'aria-label': t('receiver.language') },
      Object.keys(RECEIVERS).map((name) => h('button', { 'aria-pressed': String(name === shown.language), onclick: () => { shown.language = name; } }, name))),
    h('pre', { tabindex: 0, 'aria-label': shown.language }, RECEIVERS[shown.language]),
    h('button', { onclick: () => copy(RECEIVERS[shown.language]) }, t('copy')));
}
