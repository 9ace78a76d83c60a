// The first screen: is everything well? What isn't has its name, its cause and one action.
import { line } from './api.js';
import { h } from './dom.js';
import { ago, number, t } from './i18n.js';
import { icon } from './icons.js';
import { instances, load } from './instances.js';
import { live } from './live.js';
import { badge, nothing, problem, waiting } from './parts.js';
import { to } from './router.js';
import { stateOf } from './states.js';
import { create, startView } from './view-start.js';
import { Rows } from './virtual.js';

const ROW = 56;
/** More that need somebody are in the list below, where they come first. */
const NEEDS_SHOWN = 5;
const rows = new Rows(ROW);
const shown = { filter: '', order: [], of: null };

export const title = () => t('nav.instances');

export function view() {
  if (instances.all === null) return instances.error ? problem(instances.error, load) : waiting(instances);
  if (instances.all.length === 0) return startView();
  const judged = instances.all.map((instance) => ({ instance, state: stateOf(instance) }));
  const needing = judged.filter(({ state }) => state.needs);
  return h('section', { class: 'page tall' },
    h('header', { class: 'head' },
      h('h1', {}, title(), h('small', {}, number(instances.all.length))),
      h('button', { class: 'main', onclick: create }, icon('plus'), t('instance.new'))),
    outage(),
    needs(needing),
    tally(judged, needing),
    h('input', { class: 'filter', type: 'search', placeholder: t('instances.filter'), 'aria-label': t('instances.filter'), value: shown.filter, oninput: (event) => { shown.filter = event.target.value; } }),
    list(judged));
}

/** While the gateway can't be reached, what is shown is of then. */
function outage() {
  if (!line.awaySince && (live.isOn || !live.since)) return null;
  const since = instances.readAt ?? line.awaySince;
  return h('p', { class: 'outage', role: 'status' }, icon('alert'), t('outage', { time: ago(since) }));
}

function needs(needing) {
  if (needing.length === 0) return null;
  return h('section', { class: 'needs', 'aria-label': t('needs', { count: needing.length }) },
    h('h2', {}, t('needs', { count: needing.length })),
    h('ul', {}, needing.slice(0, NEEDS_SHOWN).map(({ instance, state }) => h('li', { key: instance.id },
      h('a', { class: 'name', href: to('instances', instance.id) }, instance.name), badge(instance), h('span', { class: 'gap' }), step(instance, state)))));
}

function step(instance, state) {
  const texts = { link: state.kind === 'out' ? t('step.relink') : t('step.link'), look: t('step.look') };
  const address = state.step === 'link' ? to('instances', instance.id, 'link') : to('instances', instance.id);
  return h('a', { class: 'button', href: address }, texts[state.step]);
}

function tally(judged, needing) {
  const connected = judged.filter(({ state }) => state.kind === 'connected').length;
  const { total } = instances;
  return h('p', { class: 'tally' },
    h('span', { class: needing.length === 0 && connected === judged.length ? 'good' : null },
      needing.length === 0 && connected === judged.length ? t('all_well') : t('tally.connected', { count: connected })),
    total && [
      h('span', {}, t('tally.received', { count: total.messagesReceived })),
      h('span', {}, t('tally.sent', { count: total.messagesSent })),
      h('span', {}, t('tally.webhooks', { count: total.webhookSent })),
      h('span', { class: 'faint' }, t('tally.period')),
    ]);
}

const RANK = { need: 0, bad: 1, warn: 2, wait: 3, rest: 5, good: 4 };

function list(judged) {
  const words = shown.filter.toLowerCase();
  const fits = ({ instance }) => `${instance.name} ${instance.pushName ?? ''} ${instance.tags.join(' ')} ${instance.id}`.toLowerCase().includes(words);
  const items = judged.filter(fits).sort((a, b) => RANK[a.state.tone] - RANK[b.state.tone] || a.instance.name.localeCompare(b.instance.name));
  if (items.length === 0) return nothing(t('instances.none'), t('instances.none_text'));
  return rows.view(items, row, { label: title(), keyOf: ({ instance }) => instance.id });
}

function row({ instance, state }) {
  const counted = instances.counts.get(instance.id);
  return h('a', { class: 'line', href: to('instances', instance.id), 'data-row': true },
    h('span', { class: `state ${state.tone}` }, icon(state.kind), h('span', { class: 'hear' }, state.words)),
    h('span', { class: 'name' }, instance.name, instance.pushName && h('small', {}, instance.pushName)),
    h('span', { class: `words ${state.tone}` }, state.words),
    h('span', { class: 'figures' }, counted && t('row.counts', { received: counted.messagesReceived, sent: counted.messagesSent })),
    icon('next'));
}
