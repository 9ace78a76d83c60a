// Chats and what is said in them, as the gateway has them, kept up to date by what it tells.
import { read } from './api.js';
import { redraw } from './dom.js';
import { hear } from './live.js';

/** So many messages are read at once; more while a message far back is looked for. */
const PAGE = 100;
const LEAP = 1_000;
/** How far back a message is looked for in its chat. */
const LEAPS = 60;
/** Kinds that say something about another message and aren't shown by themselves. */
const AMENDS = new Set(['reaction', 'edit', 'revoke', 'pin', 'keep']);

/** Lists of chats, by instance: `{chats, next, hasMore, error}`. */
export const lists = new Map();

/** The conversation that is open: `messages` from the oldest on. */
export const talk = { instance: null, chat: null, messages: null, byId: new Map(), next: null, hasMore: false, reading: null, error: null, reactions: new Map() };

export async function list(instance, { more = false } = {}) {
  const known = lists.get(instance);
  if (known?.isReading || (more && !known?.hasMore)) return;
  lists.set(instance, { chats: [], ...known, isReading: true });
  try {
    const page = await read(`/api/instances/${instance}/chats`, { limit: 100, after: more ? known.next : null });
    const chats = more ? [...known.chats, ...page.chats] : page.chats;
    lists.set(instance, { chats, next: page.next, hasMore: page.hasMore, error: null });
  } catch (error) {
    lists.set(instance, { chats: [], ...known, isReading: false, error });
  }
  redraw();
}

export async function open(instance, chat) {
  if (talk.instance === instance && talk.chat === chat) return;
  Object.assign(talk, { instance, chat, messages: null, byId: new Map(), next: null, hasMore: false, reading: null, error: null, reactions: new Map() });
  await Promise.all([older(), reactions(instance, chat)]);
}

/** Reads what was said before, one page at a time. */
export function older(limit = PAGE) {
  if (talk.messages && !talk.hasMore) return Promise.resolve();
  talk.reading ??= readOlder(limit, talk.instance, talk.chat);
  return talk.reading;
}

async function readOlder(limit, instance, chat) {
  try {
    const path = `/api/instances/${instance}/chats/${encodeURIComponent(chat)}/messages`;
    const { messages, pagination } = await read(path, { limit, before: talk.next });
    if (talk.instance !== instance || talk.chat !== chat) return;
    const fresh = messages.filter(({ messageId }) => !talk.byId.has(messageId)).reverse();
    for (const message of fresh) talk.byId.set(message.messageId, message);
    Object.assign(talk, { messages: [...fresh, ...(talk.messages ?? [])], next: pagination.next, hasMore: pagination.hasMore && Boolean(pagination.next), error: null });
  } catch (error) {
    if (talk.chat === chat) talk.error = error;
  } finally {
    if (talk.instance === instance && talk.chat === chat) talk.reading = null;
    redraw();
  }
}

/** Reads back to a message; answers whether it is there. */
export async function reach(id) {
  for (let leap = 0; leap < LEAPS && !talk.byId.has(id) && talk.hasMore && !talk.error; leap += 1) await older(LEAP);
  return talk.byId.has(id);
}

async function reactions(instance, chat) {
  try {
    const { messages } = await read(`/api/instances/${instance}/messages`, { chat, kind: 'reaction', limit: 500 });
    if (talk.chat === chat) for (const message of messages.reverse()) react(message);
    redraw();
  } catch {
    // They are an ornament: those that come are shown all the same.
  }
}

/** Each person has one reaction to a message, or none. */
function react({ targetMessageId, content, fromMe, participant, remoteJid }) {
  const of = talk.reactions.get(targetMessageId) ?? new Map();
  of.set(fromMe ? 'me' : participant ?? remoteJid, content);
  talk.reactions.set(targetMessageId, of);
}

/** The emojis of a message, each with how many have chosen it. */
export function reactionsOf(id) {
  const counted = new Map();
  for (const emoji of talk.reactions.get(id)?.values() ?? []) if (emoji) counted.set(emoji, (counted.get(emoji) ?? 0) + 1);
  return [...counted];
}

/** Shows a message that is about to be sent, or what became of it. */
export function put(message) {
  if (talk.byId.has(message.messageId)) change(message.messageId, message);
  else {
    talk.byId.set(message.messageId, message);
    talk.messages = [...(talk.messages ?? []), message];
  }
  redraw();
}

export function drop(id) {
  talk.byId.delete(id);
  talk.messages = talk.messages.filter(({ messageId }) => messageId !== id);
}

function change(id, changes) {
  const message = talk.byId.get(id);
  if (!message) return;
  const changed = { ...message, ...changes };
  talk.byId.set(id, changed);
  talk.messages = talk.messages.map((it) => (it.messageId === id ? changed : it));
}

/** A message of an event, as lists have it. */
function ofEvent(data) {
  return {
    ...data,
    messageType: data.type === 'conversation' ? 'text' : data.type,
    content: data.hasMedia ? null : data.body,
    caption: data.hasMedia ? data.body : null,
    createdAt: new Date(data.timestamp * 1000).toISOString(),
  };
}

const isOpen = ({ instanceId, remoteJid, pn, lid }) => instanceId === talk.instance && talk.messages && [remoteJid, pn, lid].includes(talk.chat);

function said(data) {
  const message = ofEvent(data);
  if (message.messageType === 'reaction') return isOpen(data) && react(message);
  if (message.messageType === 'edit' && isOpen(data)) return change(data.targetMessageId, { content: data.body, editedAt: message.createdAt });
  if (message.messageType === 'revoke' && isOpen(data)) return change(data.targetMessageId, { content: null, revokedAt: message.createdAt });
  if (AMENDS.has(message.messageType)) return null;
  if (isOpen(data)) {
    const mine = data.fromMe && talk.messages.find(({ local, content }) => local && content === data.body);
    if (mine) drop(mine.messageId);
    put(message);
  }
  return top(message);
}

/** Puts the chat of a message to the top of its list. */
function top(message) {
  const known = lists.get(message.instanceId);
  if (!known) return;
  const chat = known.chats.find(({ id }) => [message.remoteJid, message.pn, message.lid].includes(id));
  if (!chat) return void list(message.instanceId);
  const unreadCount = message.fromMe ? 0 : Math.min(100, chat.unreadCount + 1);
  const chats = [{ ...chat, lastMessage: message, unreadCount }, ...known.chats.filter((it) => it !== chat)];
  lists.set(message.instanceId, { ...known, chats });
}

export function wasRead(instance, id) {
  const known = lists.get(instance);
  if (known) lists.set(instance, { ...known, chats: known.chats.map((chat) => (chat.id === id ? { ...chat, unreadCount: 0 } : chat)) });
}

hear(({ type, data }) => {
  if (type === 'message_received' || type === 'message_sent' || type === 'message_undecryptable') said(data);
  else if (type === 'message_status' && isOpen(data)) change(data.messageId, { status: data.status, trouble: data.error });
  else if (type === 'message_media' && isOpen(data)) change(data.messageId, { media: data.media });
});
