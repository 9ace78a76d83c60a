// Where everything is stored, and how the gateway does.
import { read } from './api.js';
import { h, redraw } from './dom.js';
import { full, number, t, word } from './i18n.js';
import { action, curl, facts, problem, waiting } from './parts.js';
import { session } from './session.js';

const PROVIDERS = ['sqlite', 'postgres', 'mongodb'];
const shown = { database: null, health: null, system: null, error: null, provider: null };

export const title = () => t('nav.database');
export const open = () => fill();

async function fill() {
  try {
    const [database, health, system] = await Promise.all([read('/api/db/status'), read('/health'), session.isAdmin ? read('/api/stats/system') : null]);
    Object.assign(shown, { database, health, system, provider: shown.provider ?? database.provider, error: null });
  } catch (error) {
    shown.error = error;
  }
  redraw();
}

export function view() {
  return h('section', { class: 'page' },
    h('header', { class: 'head' }, h('h1', {}, title()), curl({ path: '/api/db/status' }, title())),
    shown.error ? problem(shown.error, fill) : !shown.database ? waiting(shown) : body());
}

function body() {
  const { database, health, system } = shown;
  return [
    facts([
      [t('database.provider'), database.provider], [t('database.url'), h('span', { class: 'mono' }, database.url)],
      [t('database.state'), h('span', { class: health.database?.status === 'ok' ? 'good' : null }, health.database?.status ?? health.status)],
      health.database?.error && [t('webhook.error'), `${health.database.error}${health.database.since ? ` · ${full(health.database.since)}` : ''}`],
    ]),
    h('h2', {}, t('database.gateway')),
    facts([
      [t('database.version'), health.version],
      health.whatsapp && [t('database.whatsapp'), `${health.whatsapp.version} · ${health.whatsapp.origin}`],
      system && [t('nav.instances'), t('database.of', { active: system.instances.active, total: system.instances.total })],
      system && [t('nav.users'), t('database.of', { active: system.users.active, total: system.users.total })],
      ...Object.entries(health.waiting ?? {}).map(([cause, { instances, retryAt }]) => [t('database.waiting', { cause: word('cause', cause) }), [number(instances), retryAt && full(retryAt)].filter(Boolean).join(' · ')]),
    ]),
    session.isAdmin && [
      h('h2', {}, t('database.switch')), h('p', { class: 'faint' }, t('database.switch_text')),
      h('div', { class: 'doings' },
        h('select', { 'aria-label': t('database.provider'), value: shown.provider, onchange: (event) => { shown.provider = event.target.value; } }, PROVIDERS.map((name) => h('option', { value: name, selected: name === shown.provider }, name))),
        action({ label: t('database.switch_go'), call: { method: 'POST', path: '/api/db/switch', body: { provider: shown.provider } }, done: fill, ask: { title: t('database.switch'), text: t('database.switch_text') } })),
    ],
  ];
}
