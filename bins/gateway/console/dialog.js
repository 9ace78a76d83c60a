// What stands before the page: dialogs, of which there is one at a time, and short notices.
import { Refusal, call } from './api.js';
import { h, redraw, say } from './dom.js';
import { t } from './i18n.js';
import { icon } from './icons.js';

/** How long a notice stays. */
const NOTICE = 6_000;

let current = null;
const notices = [];

/** Opens a dialog; `body` is drawn with the page. What had the focus gets it back. */
export function open({ title, body, wide = false }) {
  current = { title, body, wide, from: document.activeElement, id: Symbol('dialog') };
  redraw();
}

export function close() {
  const from = current?.from;
  current = null;
  redraw();
  requestAnimationFrame(() => requestAnimationFrame(() => from?.isConnected && from.focus()));
}

export const isOpen = () => current !== null;

/** Shows a sentence for a while, and says it. */
export function notice(text, tone = 'good') {
  const shown = { text, tone };
  notices.push(shown);
  say(text);
  setTimeout(() => {
    notices.splice(notices.indexOf(shown), 1);
    redraw();
  }, NOTICE);
  redraw();
}

/** What went wrong, for people. */
export function sentence(error) {
  if (!(error instanceof Refusal)) return t('error.unreachable');
  return error.status === 429 && error.retryAfter ? `${error.message} ${t('error.wait', { count: error.retryAfter })}` : error.message;
}

/** Makes a call and says what came of it. */
export async function attempt(described, done) {
  try {
    const answer = await call(described);
    await done?.(answer);
    return true;
  } catch (error) {
    if (!(error instanceof Refusal)) console.info(error);
    notice(sentence(error), 'bad');
    return false;
  }
}

export function layer() {
  const id = current?.id;
  return [
    current && h('dialog', {
      key: current.id,
      class: current.wide ? 'wide' : null,
      'aria-labelledby': 'dialog-title',
      born: (dialog) => dialog.showModal(),
      oncancel: (event) => { event.preventDefault(); close(); },
      onclose: () => current?.id === id && close(),
      onclick: (event) => event.target.localName === 'dialog' && close(),
    }, h('div', { class: 'dialog' },
      h('header', {}, h('h2', { id: 'dialog-title' }, current.title),
        h('button', { class: 'bare', 'aria-label': t('close'), onclick: close }, icon('close'))),
      current.body())),
    h('div', { class: 'notices', key: 'notices' }, notices.map(({ text, tone }) => h('p', { class: `notice ${tone}` }, text))),
  ];
}
