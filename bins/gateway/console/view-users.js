// Who may use the gateway: for administrators.
import { read } from './api.js';
import { close, open as openDialog } from './dialog.js';
import { h, redraw } from './dom.js';
import { full, t } from './i18n.js';
import { icon } from './icons.js';
import { action, copy, field, nothing, problem, tick, waiting } from './parts.js';
import { session } from './session.js';

const shown = { users: null, error: null };

export const title = () => t('nav.users');
export const open = () => fill();

async function fill() {
  try {
    shown.users = (await read('/api/users', { limit: 1000 })).users;
    shown.error = null;
  } catch (error) {
    shown.error = error;
  }
  redraw();
}

export function view() {
  return h('section', { class: 'page' },
    h('header', { class: 'head' }, h('h1', {}, title()), h('button', { class: 'main', onclick: () => edit(null) }, icon('plus'), t('user.new'))),
    shown.error ? problem(shown.error, fill) : !shown.users ? waiting(shown) : shown.users.length === 0 ? nothing(t('user.none'))
      : h('div', { class: 'scroll', tabindex: 0, role: 'region', 'aria-label': title() }, h('table', {},
        h('thead', {}, h('tr', {}, ['email', 'names', 'role', 'since'].map((name) => h('th', { scope: 'col' }, t(`user.${name}`))), h('th', {}, h('span', { class: 'hear' }, t('user.edit'))))),
        h('tbody', {}, shown.users.map(row)))));
}

function row(user) {
  return h('tr', { key: user.id },
    h('th', { scope: 'row' }, user.email, user.disabled && h('span', { class: 'bad' }, ` · ${t('user.disabled')}`)),
    h('td', {}, `${user.firstName} ${user.lastName}`.trim()),
    h('td', {}, t(`role.${user.role}`)),
    h('td', {}, full(user.createdAt)),
    h('td', {}, h('button', { onclick: () => edit(user) }, t('user.edit'))));
}

function edit(user) {
  const draft = { email: user?.email ?? '', password: '', firstName: user?.firstName ?? '', lastName: user?.lastName ?? '', role: user?.role ?? 'user', disabled: user?.disabled ?? false, allowedIps: (user?.allowedIps ?? []).join(', ') };
  const set = (name) => (event) => { draft[name] = event.target.type === 'checkbox' ? event.target.checked : event.target.value; };
  const body = () => {
    const { password, disabled, ...rest } = draft;
    const said = { ...rest, allowedIps: draft.allowedIps.split(',').map((it) => it.trim()).filter(Boolean) };
    return { ...said, ...(password && { password }), ...(user && { disabled }) };
  };
  openDialog({
    title: user ? user.email : t('user.new'),
    body: () => [
      field({ id: 'user-email', label: t('signin.email'), type: 'email', autocomplete: 'off', value: draft.email, oninput: set('email') }),
      field({ id: 'user-password', label: t(user ? 'user.other_password' : 'signin.password'), hint: t('user.password_hint'), type: 'password', autocomplete: 'new-password', value: draft.password, oninput: set('password') }),
      field({ id: 'user-first', label: t('user.first'), value: draft.firstName, oninput: set('firstName') }),
      field({ id: 'user-last', label: t('user.last'), value: draft.lastName, oninput: set('lastName') }),
      field({ id: 'user-role', label: t('user.role'), value: draft.role, options: ['user', 'admin'].map((role) => [role, t(`role.${role}`)]), onchange: set('role') }),
      field({ id: 'user-ips', label: t('user.ips'), hint: t('user.ips_hint'), value: draft.allowedIps, oninput: set('allowedIps') }),
      user && tick({ label: t('user.shut_out'), checked: draft.disabled, onchange: set('disabled') }),
      h('footer', {},
        user && user.id !== session.user.id && action({ label: t('do.delete'), kind: 'danger', call: { method: 'DELETE', path: `/api/users/${user.id}` }, ask: { title: t('ask.delete', { name: user.email }), text: t('user.delete_text') }, done: () => { close(); fill(); } }),
        h('button', { onclick: close }, t('cancel')),
        action({
          label: t(user ? 'save' : 'create'), kind: 'main', disabled: !draft.email || (!user && !draft.password),
          call: user ? { method: 'PUT', path: `/api/users/${user.id}`, body: body() } : { method: 'POST', path: '/api/users', body: body() },
          done: (made) => { close(); fill(); if (!user) secret(t('user.key_text'), made.apiKey); },
        })),
    ],
  });
}

/** What can be shown once. */
export function secret(text, value) {
  openDialog({ title: t('secret.title'), body: () => [h('p', {}, text), h('pre', { tabindex: 0, 'aria-label': t('secret.title') }, value), h('footer', {}, h('button', { class: 'main', onclick: () => copy(value) }, t('copy')))] });
}
