// One message, as a bubble or in a few words.
import { h } from './dom.js';
import { bytes, clock, full, knows, t, word } from './i18n.js';
import { fileOf } from './files.js';
import { icon } from './icons.js';

const TICKS = { pending: ['time', ''], held: ['time', 'warn'], sent: ['check', ''], delivered: ['ticks', ''], read: ['ticks', 'need'], played: ['ticks', 'need'], failed: ['alert', 'bad'] };
/** Kinds whose file is shown and not only named. */
const PICTURES = new Set(['image', 'sticker']);
const MOVING = new Set(['video', 'gif', 'video_note']);
const SOUNDS = new Set(['audio', 'voice']);

/** What it says, in a line. */
export function gist(message) {
  if (message.revokedAt) return t('message.revoked');
  const text = message.content ?? message.caption;
  if (text && !message.hasMedia) return text;
  const kind = knows(`kind.${message.messageType}`) ? word('kind', message.messageType) : message.messageType.replaceAll('_', ' ');
  return [kind, text ?? message.fileName ?? message.poll?.question ?? message.location?.name ?? message.contacts?.[0]?.name].filter(Boolean).join(' · ');
}

export function bubble(message, { isShown, quoted, reactions, toQuoted, tools, again }) {
  return h('article', { class: `bubble ${message.fromMe ? 'mine' : 'theirs'}${isShown ? ' shown' : ''}` },
    h('div', { class: 'body' },
      author(message),
      message.quotedMessageId && h('button', { class: 'quote', type: 'button', onclick: toQuoted }, quoted ? gist(quoted) : t('message.quoted')),
      message.forwarded && h('p', { class: 'note' }, t('message.forwarded')),
      inside(message),
      h('p', { class: 'meta' },
        message.editedAt && h('span', {}, t('message.edited')),
        h('time', { datetime: message.createdAt, title: full(message.createdAt) }, clock(message.createdAt)),
        message.fromMe && tick(message)),
      message.trouble && h('p', { class: 'hint bad' }, message.trouble, again && h('button', { onclick: again }, t('again')))),
    reactions.length > 0 && h('p', { class: 'reactions' }, reactions.map(([emoji, count]) => h('span', { key: emoji }, emoji, count > 1 && ` ${count}`))),
    tools);
}

/** Who wrote it, in a group. */
function author(message) {
  if (message.fromMe || !message.participant) return null;
  return h('p', { class: 'author' }, message.pushName ?? message.metadata?.pushName ?? `+${message.participant.split('@')[0]}`);
}

function tick({ status }) {
  const [shape, tone] = TICKS[status] ?? ['time', ''];
  return h('span', { class: `tick-mark ${tone}` }, icon(shape, 14), h('span', { class: 'hear' }, word('status', status)));
}

function inside(message) {
  if (message.revokedAt) return h('p', { class: 'note' }, t('message.revoked'));
  const caption = message.caption && h('p', { class: 'text', dir: 'auto' }, message.caption);
  if (message.hasMedia) return [media(message), caption];
  if (message.content) return h('p', { class: 'text', dir: 'auto' }, linked(message.content));
  if (message.poll) return [h('p', { class: 'text' }, message.poll.question), h('ul', {}, message.poll.options.map((option) => h('li', {}, option)))];
  if (message.location) return h('p', { class: 'text' }, [message.location.name, message.location.address, `${message.location.latitude}, ${message.location.longitude}`].filter(Boolean).join(' · '));
  if (message.contacts) return h('ul', {}, message.contacts.map(({ name }) => h('li', {}, name)));
  return h('p', { class: 'note' }, gist(message));
}

/** Addresses in a text lead there; nothing else of it is more than text. */
function linked(text) {
  return text.split(/(https?:\/\/[^\s<>"']+)/).map((part, at) => (at % 2 === 1 ? h('a', { href: part, target: '_blank', rel: 'noopener noreferrer' }, part) : part));
}

function media(message) {
  const { messageType: kind, media: file, fileName } = message;
  const state = message.local ? 'sending' : file?.state ?? 'ready';
  const name = fileName ?? word('kind', kind);
  if (state !== 'ready') return named(name, file?.error ? word('fault', file.error) : t(`media.${state}`));
  const url = fileOf(message);
  if (!url) return named(name, t('reading'));
  if (PICTURES.has(kind)) return h('a', { href: url, target: '_blank', rel: 'noopener' }, h('img', { class: kind, src: url, onload: () => {}, alt: message.caption ?? t('message.picture'), loading: 'lazy' }));
  if (MOVING.has(kind)) return h('video', { src: url, controls: true, preload: 'metadata', 'aria-label': name });
  if (SOUNDS.has(kind)) return h('audio', { src: url, controls: true, preload: 'metadata', 'aria-label': name });
  return h('a', { class: 'file', href: url, download: name }, icon('file'), h('span', {}, name), file?.size && h('small', {}, bytes(file.size)));
}

const named = (name, text) => h('p', { class: 'file' }, icon('file'), h('span', {}, name), h('small', {}, text));
