// What was counted: by day for one instance, by instance for all.
import { read } from './api.js';
import { h, redraw } from './dom.js';
import { bytes, number, t, utcDay } from './i18n.js';
import { instances } from './instances.js';
import { chooser, curl, nothing, problem, waiting } from './parts.js';
import { go, to } from './router.js';

const MEASURES = ['messagesSent', 'messagesReceived', 'mediaSent', 'mediaReceived', 'totalMediaSize', 'apiCalls', 'webhookSent'];
const PERIODS = { one: ['week', 'month', 'all'], all: ['week', 'month', 'year', 'all'] };
/** So many instances are drawn; the table has all. */
const BARS = 40;
/** A bar is no wider, in hundredths of its chart. */
const WIDEST = 12;

const shown = { instance: null, period: 'month', counts: null, readOf: null, error: null };

export const title = () => t('nav.stats');

export function open({ parts: [, instance], query }) {
  shown.instance = instance ?? null;
  shown.period = query.get('period') ?? shown.period;
  if (!periods().includes(shown.period)) shown.period = 'month';
  fill();
}

const periods = () => PERIODS[shown.instance ? 'one' : 'all'];
const call = () => ({ path: shown.instance ? `/api/stats/instances/${shown.instance}` : '/api/stats/user', query: { period: shown.period } });

async function fill() {
  const of = JSON.stringify(call());
  Object.assign(shown, { readOf: of, counts: null, error: null });
  try {
    const answer = await read(call().path, call().query);
    if (shown.readOf === of) shown.counts = shown.instance ? ofDays(answer) : ofInstances(answer);
  } catch (error) {
    shown.error = error;
  }
  redraw();
}

/** Days without anything are not told; here they are days with nothing. */
function ofDays({ usage }) {
  const told = new Map(usage.dailyStats.map((day) => [day.date.slice(0, 10), day]));
  const length = { week: 7, month: 30 }[shown.period];
  const days = length ? Array.from({ length }, (_, at) => new Date(Date.now() - (length - 1 - at) * 86_400_000).toISOString().slice(0, 10)) : [...told.keys()];
  const none = Object.fromEntries(MEASURES.map((name) => [name, 0]));
  return { total: usage, rows: days.map((date) => ({ key: date, name: utcDay(`${date}T00:00:00Z`), ...(told.get(date) ?? none) })) };
}

function ofInstances({ total, instances: each }) {
  const rows = each.map((counted) => ({ key: counted.instanceId, ...counted })).sort((a, b) => b.messagesSent + b.messagesReceived - a.messagesSent - a.messagesReceived);
  return { total, rows };
}

const figure = (name, value) => (name === 'totalMediaSize' ? bytes(value) : number(value));

export function view() {
  if (instances.all === null) return waiting(shown);
  const place = (query) => (shown.instance ? to('stats', shown.instance, query) : to('stats', query));
  return h('section', { class: 'page' },
    h('header', { class: 'head' }, h('h1', {}, title()), h('span', { class: 'act' }, h('button', { onclick: save, disabled: !shown.counts }, 'CSV'), curl(call(), title()))),
    h('div', { class: 'filters' },
      chooser(shown.instance, (id) => go(id ? to('stats', id, { period: shown.period }) : to('stats', { period: shown.period }))),
      h('div', { class: 'way', role: 'group', 'aria-label': t('stats.period') }, periods().map((name) => h('a', { class: 'button', href: place({ period: name }), 'aria-current': name === shown.period ? 'true' : null }, t(`stats.${name}`))))),
    h('p', { class: 'faint' }, t('stats.text')),
    body());
}

function body() {
  if (shown.error) return problem(shown.error, fill);
  if (!shown.counts) return waiting(shown.readOf ? call() : shown);
  const { rows, total } = shown.counts;
  if (rows.length === 0) return nothing(t('stats.none'), t('stats.none_text'));
  return [
    h('div', { class: 'charts' }, MEASURES.map((name) => chart(name, rows, total[name]))),
    h('h2', {}, t('stats.table')),
    h('div', { class: 'scroll', tabindex: 0, role: 'region', 'aria-label': t('stats.table') }, h('table', {},
      h('thead', {}, h('tr', {}, h('th', { scope: 'col' }, t(shown.instance ? 'stats.day' : 'nav.instances')), MEASURES.map((name) => h('th', { scope: 'col', class: 'figure' }, t(`count.${name}`))))),
      h('tbody', {}, rows.map((row) => h('tr', { key: row.key }, h('th', { scope: 'row' }, row.name), MEASURES.map((name) => h('td', { class: 'figure' }, figure(name, row[name])))))))),
  ];
}

/** One measure, one bar for each row; the table beside it says the same in figures. */
function chart(name, rows, total) {
  const drawn = rows.slice(0, shown.instance ? rows.length : BARS);
  const most = Math.max(...drawn.map((row) => row[name]));
  const width = Math.min(100 / drawn.length, WIDEST);
  return h('figure', { key: name },
    h('figcaption', {}, h('span', {}, t(`count.${name}`)), h('strong', {}, figure(name, total[name] ?? total))),
    h('svg', { viewBox: '0 0 100 32', preserveAspectRatio: 'none', role: 'img', 'aria-label': `${t(`count.${name}`)}: ${figure(name, total)}` },
      h('line', { x1: 0, x2: 100, y1: 31.5, y2: 31.5, class: 'axis' }),
      drawn.map((row, at) => row[name] > 0 && h('rect', { key: row.key, x: at * width + width * 0.1, width: width * 0.8, y: 31 - (29 * row[name]) / most, height: (29 * row[name]) / most },
        h('title', {}, `${row.name}: ${figure(name, row[name])}`)))),
    h('p', { class: 'ends' }, h('span', {}, drawn[0].name), most > 0 && h('span', {}, t('stats.most', { count: figure(name, most) })), drawn.length > 1 && h('span', {}, drawn.at(-1).name)));
}

function save() {
  const quoted = (value) => `"${String(value).replaceAll('"', '""')}"`;
  const lines = [[shown.instance ? 'date' : 'instance', ...MEASURES], ...shown.counts.rows.map((row) => [shown.instance ? row.key : row.name, ...MEASURES.map((name) => row[name])])];
  const file = new Blob([lines.map((line) => line.map(quoted).join(',')).join('\r\n')], { type: 'text/csv' });
  const link = document.createElement('a');
  link.href = URL.createObjectURL(file);
  link.download = `trunkline-${shown.period}.csv`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href));
}
