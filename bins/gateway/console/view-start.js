// Making an instance; and the first minutes, in which that is all there is to do.
import { close, open } from './dialog.js';
import { h, redraw } from './dom.js';
import { t } from './i18n.js';
import { take } from './instances.js';
import { action, field } from './parts.js';
import { go, to } from './router.js';

const draft = { name: '' };

/** Asks for a name, makes it, and goes on to its linking. */
export function create() {
  const call = () => ({ method: 'POST', path: '/api/instances', body: { name: draft.name.trim() } });
  open({
    title: t('instance.new'),
    body: () => [
      field({ id: 'instance-name', label: t('instance.name'), hint: t('instance.name_hint'), value: draft.name, maxlength: 100, autofocus: true, oninput: (event) => { draft.name = event.target.value; } }),
      h('footer', {}, h('button', { onclick: close }, t('cancel')),
        action({ label: t('create'), call: call(), kind: 'main', disabled: draft.name.trim() === '', done: created })),
    ],
  });
}

async function created({ id, name, createdAt, updatedAt }) {
  draft.name = '';
  // The answer says less than the list; the rest comes with what it tells next.
  take({ id, name, createdAt, updatedAt, tags: [], limits: {}, connectionStatus: { status: 'connecting' } });
  close();
  go(to('instances', id, 'link'));
  redraw();
}

export function startView() {
  const call = { method: 'POST', path: '/api/instances', body: { name: draft.name.trim() || t('start.default_name') } };
  return h('section', { class: 'page start' },
    h('h1', {}, t('start.title')),
    h('p', { class: 'faint' }, t('start.text')),
    h('ol', { class: 'steps' },
      h('li', { 'aria-current': 'step' }, h('h2', {}, t('start.make')), h('p', {}, t('start.make_text')),
        h('form', { class: 'inline', onsubmit: (event) => { event.preventDefault(); event.target.querySelector('button').click(); } },
          field({ id: 'first-name', label: t('instance.name'), placeholder: t('start.default_name'), value: draft.name, maxlength: 100, oninput: (event) => { draft.name = event.target.value; } }),
          action({ label: t('start.make'), call, kind: 'main', done: created }))),
      h('li', {}, h('h2', {}, t('start.link')), h('p', {}, t('start.link_text'))),
      h('li', {}, h('h2', {}, t('start.see')), h('p', {}, t('start.see_text')))));
}
