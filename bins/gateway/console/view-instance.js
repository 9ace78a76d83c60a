// One instance: its state and why, and what can be done about it.
import { Refusal, read } from './api.js';
import { h, redraw } from './dom.js';
import { ago, bytes, full, number, t, word } from './i18n.js';
import { instances, leaving, load, remove, renew, take } from './instances.js';
import { hear } from './live.js';
import { action, badge, copy, facts, field, nothing, problem, tabs, waiting } from './parts.js';
import { go, to } from './router.js';
import { stateOf } from './states.js';
import { end, linkView } from './view-link.js';

const TABS = ['link', 'safety', 'activity', 'settings'];
const shown = { id: null, tab: null, details: null, status: null, activity: null, error: null, draft: null };

export const title = () => instances.byId.get(shown.id)?.name ?? t('nav.instances');

export function open({ parts: [, id, tab] }) {
  if (shown.id !== id) Object.assign(shown, { id, details: null, status: null, activity: null, error: null, draft: null });
  shown.tab = TABS.includes(tab) ? tab : null;
  end();
  refresh();
}

export const close = end;

async function refresh() {
  const { id } = shown;
  if (leaving.has(id)) return;
  try {
    const [details, status, activity] = await Promise.all([
      read(`/api/instances/${id}`), read(`/api/instances/${id}/status`), read(`/api/instances/${id}/activity`, { limit: 50 }),
    ]);
    if (shown.id !== id) return;
    take(details);
    Object.assign(shown, { details, status, activity: activity.logs, error: null });
  } catch (error) {
    shown.error = error;
  }
  redraw();
}

hear(({ type, data }) => {
  const isQuiet = type.startsWith('message_') || type === 'chat_state' || type === 'presence_updated';
  if (data.instanceId === shown.id && !isQuiet && !leaving.has(shown.id)) refresh();
});

export function view() {
  const instance = instances.byId.get(shown.id);
  if (shown.error instanceof Refusal && shown.error.status === 404) {
    return nothing(t('instance.gone'), t('instance.gone_text'), h('a', { class: 'button', href: to('instances') }, t('nav.instances')));
  }
  if (!instance) return shown.error ? problem(shown.error, refresh) : waiting(shown);
  // Of one that waits for a phone, the code; of one that was logged out only when somebody wants to link it again.
  const tab = shown.tab ?? (['qr', 'passkey'].includes(instance.connectionStatus.status) ? 'link' : 'activity');
  return h('section', { class: 'page' },
    h('p', { class: 'trail' }, h('a', { href: to('instances') }, t('nav.instances'))),
    h('header', { class: 'head' }, h('h1', {}, instance.name), badge(instance, { link: false })),
    h('p', { class: 'why' }, why(instance)),
    doings(instance),
    tabs(instance.name, TABS.map((name) => [name, t(`tab.${name}`), to('instances', instance.id, name)]), tab),
    { link: linkView, safety, activity, settings }[tab](instance));
}

/** What the state means, and what to do. */
function why(instance) {
  const { kind } = stateOf(instance);
  const { cause } = instance.connectionStatus;
  return [t(`means.${kind}`), cause && kind !== 'paused' ? ` (${word('cause', cause)})` : null];
}

function doings(instance) {
  const post = (what) => ({ method: 'POST', path: `/api/instances/${instance.id}/${what}` });
  const done = () => renew(instance.id);
  const { status } = instance.connectionStatus;
  const named = { name: instance.name };
  return h('div', { class: 'doings' },
    status === 'connected' && h('a', { class: 'button', key: 'chats', href: to('chats', instance.id) }, t('nav.chats')),
    h('a', { class: 'button', key: 'webhooks', href: to('webhooks', instance.id) }, t('nav.webhooks')),
    status === 'paused'
      ? action({ label: t('do.resume'), call: post('resume'), done, kind: 'main' })
      : [action({ label: t('do.reconnect'), call: post('reconnect'), done }), action({ label: t('do.pause'), call: post('pause'), done })],
    status === 'connected' && action({ label: t('do.logout'), call: post('logout'), done, kind: 'danger', ask: { title: t('ask.logout', named), text: t('ask.logout_text') } }),
    action({
      label: t('do.delete'), kind: 'danger', call: { method: 'DELETE', path: `/api/instances/${instance.id}` },
      ask: { title: t('ask.delete', named), text: t('ask.delete_text') },
      begun: () => leaving.add(instance.id),
      failed: () => leaving.delete(instance.id),
      done: () => { remove(instance.id); go(to('instances'), { instead: true }); },
    }));
}

function activity() {
  if (shown.activity === null) return waiting(shown);
  return h('ul', { class: 'activity' }, shown.activity.map(({ id, action: what, details, createdAt }) => h('li', { key: `${id}${what}` },
    h('time', { datetime: createdAt, title: full(createdAt) }, ago(createdAt)),
    h('span', {}, word('action', what), detail(details) && h('span', { class: 'faint' }, ` · ${detail(details)}`)))));
}

function detail({ reason, fields, attempt, jid, until }) {
  return [reason && word('cause', reason), fields?.join(', '), attempt && t('action.attempt', { count: attempt }), jid?.split(/[:@]/)[0], until && full(until)]
    .filter(Boolean).join(' · ');
}

const LIMITS = ['maxMessagesSent', 'maxMessagesReceived', 'maxMediaSize', 'maxApiCalls', 'maxWebhooks'];

/** Whom WhatsApp lets the account write to, in plain words; and what its owner allows it. */
function safety(instance) {
  const { timeLock, newChats } = instance.limits;
  return h('div', {},
    h('h2', {}, t('safety.whatsapp')),
    h('ul', { class: 'plain' },
      h('li', {}, timeLock ? t(timeLock.until ? 'safety.locked_until' : 'safety.locked', { time: timeLock.until && full(timeLock.until) }) : t('safety.free')),
      newChats && h('li', {}, newChats.total === null || newChats.total === undefined ? t('safety.chats') : t('safety.chats_used', { used: newChats.used ?? 0, total: newChats.total }),
        newChats.until && ` ${t('safety.anew', { time: full(newChats.until) })}`)),
    h('h2', {}, t('safety.own')),
    h('p', { class: 'faint' }, t('safety.own_text')),
    limitsForm(instance));
}

function limitsForm(instance) {
  shown.draft ??= { ...instance.limits };
  const { draft } = shown;
  const limits = Object.fromEntries(LIMITS.map((name) => [name, draft[name] === '' || draft[name] === undefined || draft[name] === null ? null : Number(draft[name])]));
  return h('form', { class: 'grid', onsubmit: (event) => event.preventDefault() },
    LIMITS.map((name) => field({
      id: name, key: name, label: t(`limit.${name}`), type: 'number', min: 0, value: draft[name] ?? '', placeholder: t('limit.none'),
      hint: name === 'maxMediaSize' && draft[name] ? bytes(Number(draft[name])) : null,
      oninput: (event) => { draft[name] = event.target.value; },
    })),
    field({ id: 'period', label: t('limit.period'), value: draft.period ?? 'month', options: ['day', 'month'].map((name) => [name, t(`period.${name}`)]), onchange: (event) => { draft.period = event.target.value; } }),
    h('div', { class: 'field' }, action({
      label: t('save'), kind: 'main', call: { method: 'PUT', path: `/api/instances/${instance.id}`, body: { limits: { ...limits, period: draft.period ?? 'month' } } },
      done: async () => { await refresh(); shown.draft = null; },
    })));
}

function settings(instance) {
  const { details, status } = shown;
  if (!details || !status) return waiting(shown);
  return h('div', {},
    h('form', { class: 'inline', onsubmit: (event) => event.preventDefault() },
      field({ id: 'rename', label: t('instance.name'), value: shown.name ?? instance.name, maxlength: 100, oninput: (event) => { shown.name = event.target.value; } }),
      action({ label: t('save'), call: { method: 'PUT', path: `/api/instances/${instance.id}`, body: { name: (shown.name ?? instance.name).trim() } }, done: async () => { shown.name = undefined; await load(); } })),
    facts([
      [t('fact.id'), h('span', { class: 'mono' }, instance.id, h('button', { class: 'bare', onclick: () => copy(instance.id) }, t('copy')))],
      [t('fact.push_name'), instance.pushName],
      [t('fact.tags'), instance.tags.join(', ') || null],
      [t('fact.last'), status.lastActivity && full(status.lastActivity)],
      [t('fact.created'), full(instance.createdAt)],
      [t('fact.device'), details.deviceName],
      [t('fact.proxy'), details.proxy],
      [t('fact.receipts'), t(details.showDelivery ? 'yes' : 'no')],
      [t('fact.events_kept'), kept(details.eventRetentionDays)],
      [t('fact.messages_kept'), kept(details.messageRetentionDays)],
    ]));
}

const kept = (days) => (days === null ? t('fact.as_configured') : t('fact.days', { count: days, days: number(days) }));
