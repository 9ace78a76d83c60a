// Parts that views are made of.
import { curlOf } from './api.js';
import { attempt, close, notice, open, sentence } from './dialog.js';
import { h, redraw } from './dom.js';
import { t } from './i18n.js';
import { icon } from './icons.js';
import { instances } from './instances.js';
import { stateOf } from './states.js';

/** Nothing is shown of a wait that is over sooner. */
const BRIEF = 300;

/** The state of an instance in words, colour and shape; leads to what it means. */
export function badge(instance, { link = true } = {}) {
  const { kind, tone, words } = stateOf(instance);
  const inside = [icon(kind), h('span', {}, words)];
  return link
    ? h('a', { class: `state ${tone}`, href: `#/instances/${instance.id}` }, inside)
    : h('span', { class: `state ${tone}` }, inside);
}

/** Puts a text where it can be pasted from; without TLS browsers give pages no clipboard. */
export async function copy(text) {
  if (navigator.clipboard) await navigator.clipboard.writeText(text);
  else {
    const area = document.createElement('textarea');
    area.value = text;
    (document.querySelector('dialog') ?? document.body).append(area);
    area.select();
    document.execCommand('copy');
    area.remove();
  }
  notice(t('copied'));
}

/** A button that shows the curl of a call. */
export function curl(described, label) {
  const show = () => open({
    title: t('curl.title'),
    wide: true,
    body: () => [
      h('p', { class: 'faint' }, t('curl.text')),
      h('pre', { tabindex: 0, 'aria-label': 'curl' }, curlOf(described)),
      h('footer', {}, h('button', { class: 'main', onclick: () => copy(curlOf(described)) }, t('copy'))),
    ],
  });
  return h('button', { type: 'button', class: 'bare curl', 'aria-label': t('curl.of', { action: label }), title: 'curl', onclick: show }, icon('code'));
}

const busy = new Set();

/** A button that makes a call, and beside it the curl that does the same. `begun` is told that it is made, `failed` that it was in vain. */
export function action({ label, call, begun, done, failed, kind = '', ask = null, disabled = false }) {
  const name = `${call.method} ${call.path}`;
  const make = async () => {
    busy.add(name);
    redraw();
    begun?.();
    const worked = await attempt(call, done);
    if (!worked) failed?.();
    busy.delete(name);
    redraw();
    return worked;
  };
  const press = ask ? () => confirm({ ...ask, label, call, make, kind }) : make;
  // A key of its own: a button must not become another one under somebody's finger.
  return h('span', { class: 'act', key: name },
    h('button', { type: 'button', class: kind, disabled: disabled || busy.has(name), onclick: press }, label),
    curl(call, label));
}

/** Asks before what can't be taken back. */
export function confirm({ title, text, label, call, make, kind }) {
  open({
    title,
    body: () => [
      h('p', {}, text),
      h('footer', {},
        h('button', { onclick: close }, t('cancel')),
        h('span', { class: 'act' },
          h('button', { class: kind || 'main', onclick: async () => { close(); await make(); } }, label),
          curl(call, label))),
    ],
  });
}

/** A field with its name, and what is wrong with it. */
export function field({ label, hint, error, id, ...properties }) {
  const tag = properties.options ? 'select' : properties.rows ? 'textarea' : 'input';
  const { options, ...rest } = properties;
  const described = [hint && `${id}-hint`, error && `${id}-error`].filter(Boolean).join(' ') || null;
  return h('div', { class: 'field' },
    h('label', { for: id }, label),
    h(tag, { id, 'aria-describedby': described, 'aria-invalid': error ? 'true' : null, ...rest },
      options?.map(([value, text]) => h('option', { value, selected: value === rest.value }, text))),
    hint && h('p', { class: 'hint', id: `${id}-hint` }, hint),
    error && h('p', { class: 'hint bad', id: `${id}-error` }, error));
}

/** A box to tick. */
export function tick({ label, ...properties }) {
  return h('label', { class: 'tick' }, h('input', { type: 'checkbox', ...properties }), h('span', {}, label));
}

const begun = new WeakMap();
/** While something is read: nothing at first, then that it is. */
export function waiting(owner) {
  if (!begun.has(owner)) {
    begun.set(owner, Date.now());
    setTimeout(redraw, BRIEF + 10);
  }
  return Date.now() - begun.get(owner) < BRIEF
    ? h('p', { class: 'waiting' })
    : h('p', { class: 'waiting', role: 'status' }, h('span', { class: 'skeleton' }), t('reading'));
}

/** What went wrong, and what to do. */
export function problem(error, again) {
  return h('div', { class: 'problem', role: 'alert' }, icon('alert'), h('p', {}, sentence(error)),
    again && h('button', { onclick: again }, t('again')));
}

/** That there is nothing, and why. */
export function nothing(title, text, ...more) {
  return h('div', { class: 'nothing' }, h('h2', {}, title), text && h('p', {}, text), more);
}

/** Names and values. */
export function facts(rows) {
  return h('dl', { class: 'facts' }, rows.filter(Boolean).map(([name, value]) => h('div', {}, h('dt', {}, name), h('dd', {}, value ?? '–'))));
}

/** Chooses one of the instances, or all. */
export function chooser(current, choose) {
  const choices = [['', t('instances.all')], ...(instances.all ?? []).map(({ id, name }) => [id, name])];
  return h('select', { 'aria-label': t('instances.choose'), value: current ?? '', onchange: (event) => choose(event.target.value || null) },
    choices.map(([id, name]) => h('option', { value: id, selected: id === (current ?? '') }, name)));
}

/** Links between the parts of one thing. */
export function tabs(label, items, current) {
  return h('nav', { class: 'tabs', 'aria-label': label },
    items.map(([name, text, href]) => h('a', { href, key: name, 'aria-current': name === current ? 'page' : null }, text)));
}
