// Who did what, when and from where: for administrators.
import { read } from './api.js';
import { h, redraw } from './dom.js';
import { full, t, word } from './i18n.js';
import { curl, nothing, problem, waiting } from './parts.js';

const ACTIONS = ['login', 'login_failed', 'user_created', 'user_updated', 'user_deleted', 'password_changed', 'api_key_rotated', 'key_created', 'key_deleted', 'instance_created', 'instance_updated', 'instance_deleted', 'instance_reconnected', 'instance_paused', 'instance_resumed', 'instance_logged_out', 'instance_imported', 'instance_cleared', 'link_created', 'dialect_key_rotated', 'webhook_created', 'webhook_updated', 'webhook_deleted'];
const shown = { entries: null, next: null, users: new Map(), action: '', error: null };

export const title = () => t('nav.audit');
export const open = () => fill();

const query = (before) => ({ limit: 100, action: shown.action, before });

async function fill(before = null) {
  try {
    const [{ entries, next }, { users }] = await Promise.all([read('/api/audit', query(before)), read('/api/users', { limit: 1000 })]);
    Object.assign(shown, { entries: before ? [...shown.entries, ...entries] : entries, next, users: new Map(users.map((user) => [user.id, user.email])), error: null });
  } catch (error) {
    shown.error = error;
  }
  redraw();
}

export function view() {
  return h('section', { class: 'page' },
    h('header', { class: 'head' }, h('h1', {}, title()), curl({ path: '/api/audit', query: query() }, title())),
    h('div', { class: 'filters' }, h('select', { 'aria-label': t('audit.action'), value: shown.action, onchange: (event) => { shown.action = event.target.value; fill(); } },
      [['', t('events.all')], ...ACTIONS.map((action) => [action, word('audit', action)])].map(([value, text]) => h('option', { value, selected: value === shown.action }, text)))),
    shown.error ? problem(shown.error, () => fill()) : !shown.entries ? waiting(shown) : shown.entries.length === 0 ? nothing(t('audit.none')) : table(),
    shown.next && h('p', {}, h('button', { onclick: () => fill(shown.next) }, t('more'))));
}

function table() {
  const who = ({ userId, keyId }) => [userId ? shown.users.get(userId) ?? userId : t('audit.nobody'), keyId && t('audit.by_key')].filter(Boolean).join(' · ');
  return h('div', { class: 'scroll', tabindex: 0, role: 'region', 'aria-label': title() }, h('table', {},
    h('thead', {}, h('tr', {}, ['when', 'who', 'what', 'address'].map((name) => h('th', { scope: 'col' }, t(`audit.${name}`))))),
    h('tbody', {}, shown.entries.map((entry, at) => h('tr', { key: at },
      h('td', {}, h('time', { datetime: entry.at }, full(entry.at))), h('td', {}, who(entry)),
      h('td', {}, word('audit', entry.action), entry.details && h('small', { class: 'faint' }, ` ${told(entry.details)}`)), h('td', {}, entry.address ?? '–'))))));
}

const told = (details) => Object.entries(details).filter(([, value]) => value !== null).map(([name, value]) => `${name}: ${Array.isArray(value) ? value.join(', ') : value}`).join(' · ');
