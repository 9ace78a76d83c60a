// Keys for programs: each opens what it needs, and ends.
import { read } from './api.js';
import { close, open as openDialog } from './dialog.js';
import { h, redraw } from './dom.js';
import { ago, full, t } from './i18n.js';
import { icon } from './icons.js';
import { instances } from './instances.js';
import { action, field, nothing, problem, tick, waiting } from './parts.js';
import { secret } from './view-users.js';

const SCOPES = ['read', 'send', 'manage'];
const shown = { keys: null, error: null };

export const title = () => t('nav.keys');
export const open = () => fill();

async function fill() {
  try {
    shown.keys = (await read('/api/keys', { limit: 1000 })).keys;
    shown.error = null;
  } catch (error) {
    shown.error = error;
  }
  redraw();
}

export function view() {
  return h('section', { class: 'page' },
    h('header', { class: 'head' }, h('h1', {}, title()), h('button', { class: 'main', onclick: create }, icon('plus'), t('key.new'))),
    h('p', { class: 'faint' }, t('key.text')),
    shown.error ? problem(shown.error, fill) : !shown.keys ? waiting(shown) : shown.keys.length === 0 ? nothing(t('key.none'), t('key.none_text'))
      : h('div', { class: 'scroll', tabindex: 0, role: 'region', 'aria-label': title() }, h('table', {},
        h('thead', {}, h('tr', {}, ['name', 'scopes', 'instances', 'ends', 'used'].map((name) => h('th', { scope: 'col' }, t(`key.${name}`))), h('th', {}, h('span', { class: 'hear' }, t('do.delete'))))),
        h('tbody', {}, shown.keys.map(row)))));
}

function row(key) {
  const of = key.instances ? key.instances.map((id) => instances.byId.get(id)?.name ?? id).join(', ') : t('instances.all');
  return h('tr', { key: key.id },
    h('th', { scope: 'row' }, key.name), h('td', {}, key.scopes.map((scope) => t(`scope.${scope}`)).join(', ')), h('td', {}, of),
    h('td', {}, key.expiresAt ? full(key.expiresAt) : t('key.never')), h('td', {}, key.lastUsedAt ? ago(key.lastUsedAt) : t('key.unused')),
    h('td', {}, action({ label: t('do.delete'), kind: 'danger', call: { method: 'DELETE', path: `/api/keys/${key.id}` }, ask: { title: t('ask.delete', { name: key.name }), text: t('key.delete_text') }, done: fill })));
}

function create() {
  const draft = { name: '', scopes: new Set(['read']), instances: new Set(), expiresAt: '' };
  const flip = (set, item) => (event) => (event.target.checked ? set.add(item) : set.delete(item));
  const body = () => ({
    name: draft.name.trim(), scopes: SCOPES.filter((scope) => draft.scopes.has(scope)),
    ...(draft.instances.size > 0 && { instances: [...draft.instances] }), ...(draft.expiresAt && { expiresAt: new Date(draft.expiresAt).toISOString() }),
  });
  openDialog({
    title: t('key.new'),
    body: () => [
      field({ id: 'key-name', label: t('key.name'), hint: t('key.name_hint'), value: draft.name, oninput: (event) => { draft.name = event.target.value; } }),
      h('fieldset', {}, h('legend', {}, t('key.scopes')), SCOPES.map((scope) => tick({ key: scope, label: t(`scope.${scope}_text`), checked: draft.scopes.has(scope), onchange: flip(draft.scopes, scope) }))),
      instances.all.length > 0 && h('fieldset', {}, h('legend', {}, t('key.instances')), h('p', { class: 'hint' }, t('key.instances_hint')),
        h('div', { class: 'many' }, instances.all.map(({ id, name }) => tick({ key: id, label: name, checked: draft.instances.has(id), onchange: flip(draft.instances, id) })))),
      field({ id: 'key-end', label: t('key.ends'), type: 'datetime-local', value: draft.expiresAt, onchange: (event) => { draft.expiresAt = event.target.value; } }),
      h('footer', {}, h('button', { onclick: close }, t('cancel')), action({
        label: t('create'), kind: 'main', disabled: !draft.name.trim() || draft.scopes.size === 0, call: { method: 'POST', path: '/api/keys', body: body() },
        done: ({ key }) => { close(); fill(); secret(t('key.once'), key); },
      })),
    ],
  });
}
