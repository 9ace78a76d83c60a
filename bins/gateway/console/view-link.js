// Linking: from a new instance to one that can send, followed step by step.
import { Refusal, call as make } from './api.js';
import { sentence } from './dialog.js';
import { h, redraw, say } from './dom.js';
import { ago, t, word } from './i18n.js';
import { renew } from './instances.js';
import { events, hear } from './live.js';
import { action, copy, curl, field } from './parts.js';
import { qrCode } from './qr.js';
import { to } from './router.js';

const link = { instance: null, step: null, error: null, stop: null, way: 'qr', phone: '' };

/** Begins, unless it has begun; with a phone (or an empty one, for a scan) anew. */
export function begin(instance, phone = null) {
  if (link.instance === instance && phone === null) return;
  end();
  Object.assign(link, { instance, step: { step: 'connecting' }, error: null, stop: new AbortController(), way: phone ? 'code' : 'qr' });
  follow(link.stop, instance, phone);
}

export function end() {
  link.stop?.abort();
  Object.assign(link, { instance: null, stop: null, step: null, error: null });
}

async function follow(stop, instance, phone) {
  const heard = (frame) => {
    if (!frame.data || stop.signal.aborted) return;
    take(JSON.parse(frame.data));
    redraw();
  };
  try {
    await events(`/api/instances/${instance}/link`, { query: { phone }, signal: stop.signal, heard });
  } catch (error) {
    if (stop.signal.aborted) return;
    link.error = error;
  }
  if (link.stop === stop) link.stop = null;
  renew(instance);
  redraw();
}

function take(step) {
  if (step.step === 'failed') link.error = new Refusal(409, step.error);
  if (step.step !== link.step?.step && step.step !== 'failed') say(t(`link.${step.step}`));
  link.step = step;
}

// Whoever is unlinked again begins again.
hear(({ type, data }) => {
  if (type === 'disconnected' && data.instanceId === link.instance && link.step?.step === 'ready') end();
});

export function linkView(instance) {
  if (instance.connectionStatus.status === 'connected' || link.step?.step === 'ready') return linked(instance);
  begin(instance.id);
  return h('div', { class: 'link' },
    h('div', { class: 'way', role: 'group', 'aria-label': t('link.how') },
      h('button', { 'aria-pressed': String(link.way === 'qr'), onclick: () => begin(instance.id, '') }, t('link.by_qr')),
      h('button', { 'aria-pressed': String(link.way === 'code'), onclick: () => { link.way = 'code'; } }, t('link.by_code')),
      curl({ path: `/api/instances/${instance.id}/link`, query: link.way === 'code' ? { phone: link.phone || '15550100001' } : null }, t('link.how'))),
    link.error ? failed(instance) : h('div', { class: 'stage' }, stage(instance)),
    link.way === 'code' && byCode(instance));
}

function failed(instance) {
  return h('div', { class: 'problem', role: 'alert' }, h('p', {}, link.error.cause ? word('cause', link.error.cause) : sentence(link.error)),
    h('p', { class: 'faint' }, sentence(link.error)),
    h('button', { class: 'main', onclick: () => begin(instance.id, link.way === 'code' ? link.phone : '') }, t('again')));
}

function stage(instance) {
  const { step, way } = link;
  if (way === 'code' && step?.step !== 'code' && step?.step !== 'passkey' && step?.step !== 'linked') return null;
  switch (step?.step) {
    case 'qr': return [qrCode(step.qrCode, t('link.picture')), guide('link.scan'), renewed(step)];
    case 'code': return [h('output', { class: 'code' }, step.code), h('button', { onclick: () => copy(step.code) }, t('copy')), guide('link.enter'), renewed(step)];
    case 'passkey': return passkey(instance, step.passkey);
    case 'linked': return h('p', { class: 'big' }, t('link.linked'));
    default: return h('p', { class: 'waiting' }, h('span', { class: 'skeleton square' }),
      step?.cause ? `${t('link.connecting')} · ${word('cause', step.cause)}` : t('link.connecting'));
  }
}

const guide = (key) => h('ol', { class: 'guide' }, [1, 2, 3].map((at) => h('li', {}, t(`${key}_${at}`))));
const renewed = ({ expiresAt }) => h('p', { class: 'faint' }, t('state.renews', { time: ago(expiresAt) }));

function byCode(instance) {
  return h('form', { class: 'inline', onsubmit: (event) => { event.preventDefault(); begin(instance.id, link.phone); } },
    field({ id: 'link-phone', label: t('link.phone'), hint: t('link.phone_hint'), type: 'tel', autocomplete: 'tel', required: true, value: link.phone, oninput: (event) => { link.phone = event.target.value; } }),
    h('button', { class: 'main' }, t('link.code_go')));
}

/** A browser answers WhatsApp's request on WhatsApp's own page alone; so it is shown, and its answer taken. */
function passkey(instance, { step, options, code, optional }) {
  if (step === 'compare') {
    return [
      h('p', {}, t(optional ? 'passkey.compare_optional' : 'passkey.compare')), h('output', { class: 'code' }, code),
      action({ label: t('passkey.same'), kind: 'main', call: { method: 'POST', path: `/api/instances/${instance.id}/passkey/confirm` } }),
    ];
  }
  const script = `copy(JSON.stringify((await navigator.credentials.get({publicKey: PublicKeyCredential.parseRequestOptionsFromJSON(${JSON.stringify(options)})})).toJSON()))`;
  return [
    h('p', {}, t('passkey.text')),
    h('pre', { tabindex: 0, 'aria-label': t('passkey.script') }, script),
    h('button', { onclick: () => copy(script) }, t('copy')),
    field({ id: 'passkey', label: t('passkey.answer'), rows: 4, value: link.answer ?? '', error: link.answerError, oninput: (event) => { link.answer = event.target.value; } }),
    h('button', { class: 'main', onclick: () => show(instance) }, t('passkey.send')),
  ];
}

async function show(instance) {
  try {
    const credential = JSON.parse(link.answer);
    await make({ method: 'POST', path: `/api/instances/${instance.id}/passkey`, body: { credential } });
    link.answerError = null;
  } catch (error) {
    link.answerError = error instanceof SyntaxError ? t('passkey.no_json') : sentence(error);
  }
  redraw();
}

function linked(instance) {
  return h('div', { class: 'link' }, h('p', { class: 'big good' }, t('link.ready')),
    h('p', {}, t('link.ready_text')), h('a', { class: 'button main', href: to('chats', instance.id) }, t('link.to_chats')));
}
