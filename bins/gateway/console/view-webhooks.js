// Webhooks: who is told of what happens, whether they take it, and what to do about what they didn't.
import { read } from './api.js';
import { close, open as openDialog } from './dialog.js';
import { h, redraw } from './dom.js';
import { t } from './i18n.js';
import { icon } from './icons.js';
import { chosen, instances } from './instances.js';
import { action, chooser, field, nothing, problem, waiting } from './parts.js';
import { go, to } from './router.js';
import { Rows } from './virtual.js';
import { FORMATS, health } from './webhook.js';

const rows = new Rows(56);
const shown = { instance: null, webhooks: null, readOf: null, error: null, draft: null };

export const title = () => t('nav.webhooks');

export function open({ parts: [, instance] }) {
  shown.instance = instance ?? null;
  shown.readOf = null;
  fill();
}

async function fill() {
  const ids = chosen(shown.instance);
  const of = ids.join();
  if (instances.all === null || shown.readOf === of) return;
  Object.assign(shown, { readOf: of, error: null });
  try {
    const pages = await Promise.all(ids.map((id) => read(`/api/instances/${id}/webhooks`)));
    if (shown.readOf === of) shown.webhooks = pages.flatMap(({ webhooks }) => webhooks).filter(({ url, enabled, name }) => url || enabled || name !== 'default');
  } catch (error) {
    shown.error = error;
  }
  redraw();
}

export function view() {
  if (instances.all === null) return waiting(shown);
  fill();
  return h('section', { class: 'page tall' },
    h('header', { class: 'head' }, h('h1', {}, title()),
      instances.all.length > 0 && h('button', { class: 'main', onclick: create }, icon('plus'), t('webhook.new'))),
    h('div', { class: 'filters' }, chooser(shown.instance, (id) => go(id ? to('webhooks', id) : to('webhooks')))),
    body());
}

function body() {
  if (shown.error) return problem(shown.error, () => { shown.readOf = null; fill(); });
  if (chosen(shown.instance).length === 0 && instances.all.length > 0) return nothing(t('instances.pick'), t('instances.pick_text'));
  if (!shown.webhooks) return waiting(shown);
  if (shown.webhooks.length === 0) return nothing(t('webhooks.none'), t('webhooks.none_text'));
  return rows.view(shown.webhooks, row, { label: title(), keyOf: ({ instanceId, name }) => `${instanceId} ${name}` });
}

function row(webhook) {
  const { tone, shape, words } = health(webhook);
  return h('a', { class: 'line', href: to('webhooks', webhook.instanceId, webhook.name), 'data-row': true },
    h('span', { class: `state ${tone}` }, icon(shape), h('span', { class: 'hear' }, words)),
    h('span', { class: 'name' }, webhook.name, h('small', {}, instances.byId.get(webhook.instanceId)?.name)),
    h('span', { class: `words ${tone}` }, [words, webhook.url].filter(Boolean).join(' · ')),
    h('span', { class: 'figures' }, webhook.format),
    icon('next'));
}

function create() {
  shown.draft = { instance: chosen(shown.instance)[0] ?? instances.all[0].id, name: '', url: '', format: 'seed1' };
  const { draft } = shown;
  const set = (name) => (event) => { draft[name] = event.target.value; };
  openDialog({
    title: t('webhook.new'),
    body: () => [
      field({ id: 'webhook-instance', label: t('instances.choose'), value: draft.instance, options: instances.all.map(({ id, name }) => [id, name]), onchange: set('instance') }),
      field({ id: 'webhook-name', label: t('instance.name'), hint: t('webhook.name_hint'), value: draft.name, maxlength: 64, oninput: set('name') }),
      field({ id: 'webhook-url', label: t('webhook.url'), type: 'url', placeholder: 'https://', value: draft.url, oninput: set('url') }),
      field({ id: 'webhook-format', label: t('webhook.format'), value: draft.format, options: FORMATS.map((format) => [format, format]), onchange: set('format') }),
      h('footer', {}, h('button', { onclick: close }, t('cancel')), action({
        label: t('create'), kind: 'main', disabled: !draft.name || !draft.url,
        call: { method: 'POST', path: `/api/instances/${draft.instance}/webhooks`, body: { name: draft.name.trim(), url: draft.url.trim(), enabled: true, format: draft.format } },
        done: ({ instanceId, name }) => { close(); go(to('webhooks', instanceId, name)); },
      })),
    ],
  });
}
