// Chats: whose turn it is, and what is said.
import { Refusal, call, once, read } from './api.js';
import { lists, list, older, open as openTalk, put, reach, drop, reactionsOf, talk, wasRead } from './chats.js';
import { attempt, close as closeDialog, notice, open as openDialog, sentence } from './dialog.js';
import { classes, h, redraw, say } from './dom.js';
import { bytes, day, t, when } from './i18n.js';
import { icon } from './icons.js';
import { chosen, instances } from './instances.js';
import { hear } from './live.js';
import { bubble, gist } from './message.js';
import { badge, chooser, curl, facts, nothing, problem, waiting } from './parts.js';
import { go, to } from './router.js';
import { Rows, Talk } from './virtual.js';

const rows = new Rows(64);
/** So near to the top, in pixels, more is read. */
const NEAR = 400;
/** What people react with most. */
const EMOJIS = ['👍', '❤️', '😂', '😮', '😢', '🙏'];

const shown = { scope: null, instance: null, chat: null, message: null, filter: '', found: null, conversation: new Talk(56), quote: null, file: null };

export const title = () => (shown.chat ? nameOf(shown.instance, shown.chat) : t('nav.chats'));

export function open({ parts: [, instance, chat, message] }) {
  const isOther = chat !== shown.chat || instance !== shown.instance;
  // A chat of one instance is opened among those of all, if these are listed.
  if (!chat || (shown.scope && shown.scope !== instance)) shown.scope = instance ?? null;
  Object.assign(shown, { instance: instance ?? null, chat: chat ?? null, message: message ?? null });
  for (const id of listed()) if (!lists.has(id)) list(id);
  if (!chat) return;
  if (isOther) Object.assign(shown, { conversation: new Talk(56), quote: null, file: null });
  come(instance, chat, message);
}

async function come(instance, chat, message) {
  await openTalk(instance, chat);
  if (!message || shown.message !== message) return;
  if (await reach(message)) shown.conversation.show(message);
  else notice(t('chats.message_gone'), 'bad');
}

/** The instances whose chats are listed. */
const listed = () => chosen(shown.scope);

export function view() {
  if (instances.all === null) return waiting(shown);
  if (instances.all.length === 0) return nothing(t('chats.none'), t('chats.none_text'), h('a', { class: 'button', href: to('instances') }, t('nav.instances')));
  for (const id of listed()) if (!lists.has(id)) list(id);
  return h('div', { class: classes({ chats: true, talking: shown.chat }) }, side(), shown.chat ? conversation() : h('section', { class: 'empty' }, nothing(t('chats.choose'), t('chats.choose_text'))));
}

// The list.

function side() {
  return h('section', { class: 'side', 'aria-label': t('nav.chats') },
    h('div', { class: 'choose' },
      h('h1', { class: 'hear' }, t('nav.chats')),
      chooser(shown.scope, (id) => go(id ? to('chats', id) : to('chats'))),
      h('form', { onsubmit: (event) => { event.preventDefault(); search(); } },
        h('input', { type: 'search', 'data-search': true, 'aria-label': t('chats.search'), placeholder: t('chats.search'), value: shown.filter, oninput: (event) => { shown.filter = event.target.value; shown.found = null; } }))),
    shown.found ? foundList() : chatList());
}

function chatList() {
  const ids = listed();
  if (ids.length === 0) return nothing(t('instances.pick'), t('instances.pick_text'));
  const known = ids.map((id) => [id, lists.get(id)]);
  const error = known.find(([, of]) => of?.error)?.[1].error;
  if (error) return problem(error, () => ids.forEach((id) => list(id)));
  if (known.some(([, of]) => !of || (of.isReading && of.chats.length === 0))) return waiting(lists);
  const words = shown.filter.toLowerCase();
  const all = known.flatMap(([instance, of]) => of.chats.map((chat) => ({ instance, chat })))
    .filter(({ instance, chat }) => `${nameOf(instance, chat.id)} ${chat.id}`.toLowerCase().includes(words))
    .sort((a, b) => b.chat.lastMessage.createdAt.localeCompare(a.chat.lastMessage.createdAt));
  if (all.length === 0) return words ? nothing(t('chats.no_name'), t('chats.no_name_text')) : nothing(t('chats.quiet'), t('chats.quiet_text'));
  const more = () => rows.isNearEnd(all.length) && known.forEach(([id, of]) => of.hasMore && list(id, { more: true }));
  return rows.view(all, chatRow, { label: t('nav.chats'), keyOf: ({ instance, chat }) => `${instance} ${chat.id}`, onscroll: more });
}

function chatRow({ instance, chat }) {
  const { lastMessage: last, unreadCount: unread } = chat;
  const isHere = instance === shown.instance && chat.id === shown.chat;
  return h('a', { class: classes({ chat: true, unread }), href: to('chats', instance, chat.id), 'data-row': true, 'aria-current': isHere ? 'true' : null },
    h('span', { class: 'name' }, nameOf(instance, chat.id), !shown.scope && instances.all.length > 1 && h('small', {}, instances.byId.get(instance)?.name)),
    h('time', { datetime: last.createdAt }, when(last.createdAt)),
    h('span', { class: 'gist' }, last.fromMe && `${t('chats.you')} `, gist(last)),
    unread > 0 && h('span', { class: 'count' }, unread >= 100 ? '99+' : unread, h('span', { class: 'hear' }, t('chats.unread'))));
}

/** What a chat is called: a name, or its number. */
export function nameOf(instance, id) {
  const chat = lists.get(instance)?.chats.find((chat) => chat.id === id);
  if (chat?.name) return chat.name;
  if (id === 'status@broadcast') return t('chats.status');
  const [user, server] = id.split('@');
  return server === 's.whatsapp.net' ? `+${user}` : user;
}

async function search() {
  const words = shown.filter.trim();
  if (!words) return;
  shown.found = { words, messages: null, error: null };
  const { found } = shown;
  try {
    const pages = await Promise.all(listed().map((id) => read(`/api/instances/${id}/messages/search`, { q: words, limit: 50 })));
    found.messages = pages.flatMap(({ messages }) => messages).sort((a, b) => b.createdAt.localeCompare(a.createdAt));
    say(t('chats.found', { count: found.messages.length }));
  } catch (error) {
    found.error = error;
  }
  redraw();
}

function foundList() {
  const { messages, error, words } = shown.found;
  if (error) return problem(error, search);
  if (!messages) return waiting(shown.found);
  if (messages.length === 0) return nothing(t('chats.not_found', { words }), t('chats.not_found_text'));
  return h('ul', { class: 'found' }, messages.map((message) => h('li', { key: message.id },
    h('a', { class: 'chat', href: to('chats', message.instanceId, message.remoteJid, message.messageId), 'data-row': true },
      h('span', { class: 'name' }, nameOf(message.instanceId, message.remoteJid)),
      h('time', { datetime: message.createdAt }, when(message.createdAt)),
      h('span', { class: 'gist' }, message.snippet)))));
}

// The conversation.

function conversation() {
  const instance = instances.byId.get(shown.instance);
  const name = nameOf(shown.instance, shown.chat);
  return h('section', { class: 'conversation', 'aria-label': name, key: `${shown.instance} ${shown.chat}` },
    h('header', {},
      h('a', { class: 'button bare', href: shown.scope ? to('chats', shown.scope) : to('chats'), 'aria-label': t('chats.back') }, icon('back')),
      h('div', { class: 'who-is' }, h('h2', {}, name), instance && h('span', { class: 'faint' }, `${instance.name} · `, badge(instance))),
      h('span', { class: 'gap' }),
      unread() > 0 && h('button', { onclick: markRead }, t('chats.mark_read')),
      h('button', { onclick: () => details(shown.instance, shown.chat) }, t('chats.details'))),
    said(),
    composer(instance));
}

const unread = () => lists.get(shown.instance)?.chats.find(({ id }) => id === shown.chat)?.unreadCount ?? 0;

function said() {
  if (talk.error && !talk.messages) return problem(talk.error, () => older());
  if (!talk.messages) return waiting(talk);
  if (talk.messages.length === 0) return nothing(t('chats.quiet'), t('chats.quiet_text'));
  const { conversation: list } = shown;
  if (list.top < NEAR && talk.hasMore && !talk.error) older();
  return list.view(talk.messages, saidRow, { label: t('chats.said'), keyOf: ({ messageId }) => messageId });
}

function saidRow(message, before) {
  const date = new Date(message.createdAt).toDateString();
  const isNewDay = !before || new Date(before.createdAt).toDateString() !== date;
  return [
    isNewDay && h('p', { class: 'day' }, day(message.createdAt)),
    bubble(message, {
      isShown: message.messageId === shown.message,
      quoted: message.quotedMessageId && (talk.byId.get(message.quotedMessageId) ?? null),
      reactions: reactionsOf(message.messageId),
      toQuoted: () => reach(message.quotedMessageId).then((isThere) => isThere && shown.conversation.show(message.quotedMessageId)),
      tools: tools(message),
      again: message.local && message.status === 'failed' ? () => sendAgain(message) : null,
    }),
  ];
}

function tools(message) {
  if (message.local || message.revokedAt) return null;
  const quote = () => {
    shown.quote = message;
    document.querySelector('[data-reply]')?.focus();
  };
  return h('span', { class: 'tools' },
    h('button', { class: 'bare', 'aria-label': t('chats.reply'), onclick: quote }, icon('reply')),
    h('button', { class: 'bare', 'aria-label': t('chats.react'), onclick: () => chooseEmoji(message) }, icon('smile')));
}

function chooseEmoji(message) {
  const react = (emoji) => ({ method: 'POST', path: `/api/whatsapp/${shown.instance}/react`, body: { phone: shown.chat, messageId: message.messageId, emoji } });
  openDialog({
    title: t('chats.react'),
    body: () => h('div', { class: 'emojis' },
      EMOJIS.map((emoji) => h('button', { class: 'bare', onclick: () => { closeDialog(); attempt(react(emoji)); } }, emoji)),
      h('button', { onclick: () => { closeDialog(); attempt(react('')); } }, t('chats.unreact')), curl(react(EMOJIS[0]), t('chats.react'))),
  });
}

/** Nobody is told that a message was read by looking at it; by this they are. */
async function markRead() {
  const ids = talk.messages.filter(({ fromMe, status }) => !fromMe && status === 'received').map(({ messageId }) => messageId).slice(-1000);
  const { instance, chat } = talk;
  if (ids.length === 0) return wasRead(instance, chat);
  const body = { phone: chat, messageIds: ids };
  if (await attempt({ method: 'POST', path: `/api/whatsapp/${instance}/read`, body })) {
    wasRead(instance, chat);
    for (const messageId of ids) put({ messageId, status: 'read' });
  }
}

// Writing.

const DRAFTS = 'trunkline.draft.';
const draftKey = () => `${DRAFTS}${shown.instance} ${shown.chat}`;
const draft = () => sessionStorage.getItem(draftKey()) ?? '';
const keepDraft = (text) => (text ? sessionStorage.setItem(draftKey(), text) : sessionStorage.removeItem(draftKey()));

function composer(instance) {
  const isOff = instance?.connectionStatus.status !== 'connected';
  if (isOff) return h('p', { class: 'composer off' }, icon('alert'), t('chats.off'), ' ', instance && h('a', { href: to('instances', instance.id) }, t('step.look')));
  return h('form', { class: 'composer', onsubmit: (event) => { event.preventDefault(); send(); } },
    shown.quote && h('p', { class: 'quoting' }, icon('reply'), h('span', {}, gist(shown.quote)), h('button', { type: 'button', class: 'bare', 'aria-label': t('chats.no_quote'), onclick: () => { shown.quote = null; } }, icon('close'))),
    shown.file && h('p', { class: 'quoting' }, icon('file'), h('span', {}, `${shown.file.name} · ${bytes(shown.file.size)}`), h('button', { type: 'button', class: 'bare', 'aria-label': t('chats.no_file'), onclick: () => { shown.file = null; } }, icon('close'))),
    h('div', { class: 'write' },
      h('label', { class: 'button bare', title: t('chats.attach') }, icon('clip'), h('span', { class: 'hear' }, t('chats.attach')),
        h('input', { type: 'file', class: 'hear', onchange: (event) => { shown.file = event.target.files[0] ?? null; event.target.value = ''; } })),
      h('textarea', { 'data-reply': true, rows: 1, 'aria-label': t('chats.write'), placeholder: t(shown.file ? 'chats.caption' : 'chats.write'), value: draft(), oninput: typed, onkeydown: keyed, onpaste: pasted, born: grow }),
      curl({ method: 'POST', path: `/api/whatsapp/${shown.instance}/send`, body: { phone: shown.chat, message: draft() || '…', ...(shown.quote && { quotedMessageId: shown.quote.messageId }) } }, t('chats.send')),
      h('button', { class: 'main', 'aria-label': t('chats.send') }, icon('send'))));
}

function typed(event) {
  keepDraft(event.target.value);
  grow(event.target);
}

/** As tall as what is written, up to the style's limit. */
function grow(area) {
  area.style.height = 'auto';
  area.style.height = `${area.scrollHeight + 2}px`;
}

function keyed(event) {
  if (event.key !== 'Enter' || event.shiftKey || event.isComposing) return;
  event.preventDefault();
  send();
}

function pasted(event) {
  const [file] = event.clipboardData?.files ?? [];
  if (!file) return;
  event.preventDefault();
  shown.file = file;
}

function send() {
  const text = draft().trim();
  const { quote, file, instance, chat } = shown;
  if (!text && !file) return;
  keepDraft('');
  Object.assign(shown, { quote: null, file: null });
  requestAnimationFrame(() => document.querySelector('[data-reply]') && grow(document.querySelector('[data-reply]')));
  const name = once();
  const message = {
    messageId: `local ${name}`, local: { name, text, quote, file }, instanceId: instance, remoteJid: chat, fromMe: true, messageType: file ? 'document' : 'text',
    content: file ? null : text, caption: file ? text : null, fileName: file?.name, hasMedia: Boolean(file), status: 'pending', createdAt: new Date().toISOString(), quotedMessageId: quote?.messageId,
  };
  put(message);
  shown.conversation.toEnd();
  sendAgain(message);
}

/** Under the name that it was sent under first, so that it can't go out twice. */
async function sendAgain(message) {
  const { name, text, quote, file } = message.local;
  put({ messageId: message.messageId, status: 'pending', trouble: null });
  const headers = { 'idempotency-key': name };
  const described = file
    ? { method: 'POST', path: `/api/whatsapp/${message.instanceId}/send-file`, form: formOf(message, file, text), headers }
    : { method: 'POST', path: `/api/whatsapp/${message.instanceId}/send`, body: { phone: message.remoteJid, message: text, ...(quote && { quotedMessageId: quote.messageId }) }, headers };
  try {
    const answer = await call(described);
    if (!talk.byId.has(message.messageId)) return;
    drop(message.messageId);
    if (!talk.byId.has(answer.id)) put({ ...message, local: null, messageId: answer.id, status: answer.status ?? 'sent' });
  } catch (error) {
    if (!(error instanceof Refusal)) console.info(error);
    put({ messageId: message.messageId, status: 'failed', trouble: sentence(error) });
  }
  redraw();
}

function formOf(message, file, caption) {
  const form = new FormData();
  form.set('phone', message.remoteJid);
  if (caption) form.set('caption', caption);
  form.set('file', file, file.name);
  return form;
}

// Who it is.

async function details(instance, chat) {
  const found = { rows: null, error: null };
  openDialog({ title: nameOf(instance, chat), body: () => (found.error ? problem(found.error) : found.rows ? facts(found.rows) : waiting(found)) });
  try {
    found.rows = chat.endsWith('@g.us') ? await ofGroup(instance, chat) : await ofPerson(instance, chat);
  } catch (error) {
    found.error = error;
  }
  redraw();
}

async function ofGroup(instance, chat) {
  const group = await read(`/api/whatsapp/${instance}/groups/${encodeURIComponent(chat)}`);
  const person = ({ jid, pn, rank }) => `+${(pn ?? jid).split('@')[0]}${rank === 'member' ? '' : ` · ${rank}`}`;
  return [
    [t('group.name'), group.name], [t('group.description'), group.description], [t('fact.id'), h('span', { class: 'mono' }, group.id)],
    [t('group.members', { count: group.participants.length }), group.participants.map((it) => h('div', { key: it.jid }, person(it)))],
  ];
}

/** What the account calls them, and what they call themselves. */
async function ofPerson(instance, chat) {
  const [{ contacts }, profile] = await Promise.all([
    read(`/api/instances/${instance}/contacts/db`, { search: chat.split('@')[0], limit: 10 }),
    read(`/api/whatsapp/${instance}/profiles/${encodeURIComponent(chat)}`).catch(() => null),
  ]);
  const contact = contacts.find(({ remoteJid }) => remoteJid === chat) ?? contacts[0];
  const phone = profile?.pn?.split('@')[0] ?? contact?.number;
  return [
    [t('person.name'), contact?.name], [t('person.push_name'), contact?.pushName], [t('person.number'), phone && `+${phone}`],
    [t('person.about'), profile?.about], [t('fact.id'), h('span', { class: 'mono' }, chat)],
  ];
}

// Who answers a chat hears what comes, once.
hear(({ type, data }) => {
  if (type === 'message_received' && data.instanceId === shown.instance && data.remoteJid === shown.chat && data.body) say(data.body);
});
