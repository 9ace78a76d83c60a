// What is the matter with an instance, in words, colour and shape.
import { ago, t, until, word } from './i18n.js';

/** Until when the code of an instance can be scanned, as far as events have told. */
export const codes = new Map();

/** Causes after which an instance comes back by itself. */
const PASSING = new Set(['network', 'restart', 'stream_error', 'failure', 'proxy', 'tls', 'handler_failed', 'store_failed', 'shutdown', 'fenced']);

/**
 * `kind` names shape and explanation, `tone` the colour, `words` say it, `needs` is whether somebody has to do something,
 * `step` what: `link`, `resume` or `look`.
 */
export function stateOf({ id, connectionStatus: connection, limits, unreadable }) {
  if (unreadable?.length > 0) return state('broken', 'bad', t('state.unreadable'), 'look');
  switch (connection.status) {
    case 'connected': return connected(limits);
    case 'connecting': return state('connecting', 'wait', words('connecting', connection));
    case 'qr': return state('scan', 'need', scanning(id), 'link');
    case 'passkey': return state('passkey', 'need', t('state.passkey'), 'link');
    case 'paused': return state('paused', 'rest', t('state.paused'));
    case 'logged_out': return state('out', 'bad', words('logged_out', connection), 'link');
    default: return disconnected(connection);
  }
}

function state(kind, tone, words, step = null) {
  return { kind, tone, words, step, needs: step !== null };
}

function connected({ timeLock, newChats } = {}) {
  if (timeLock) {
    return state('held', 'warn', timeLock.until ? t('state.locked_until', { time: until(timeLock.until) }) : t('state.locked'), 'look');
  }
  if (newChats?.reached) {
    return state('held', 'warn', newChats.until ? t('state.capped_until', { time: until(newChats.until) }) : t('state.capped'), 'look');
  }
  return state('connected', 'good', t('state.connected'));
}

function disconnected(connection) {
  if (connection.cause === 'banned') {
    return state('banned', 'bad', connection.bannedUntil ? t('state.banned_until', { time: until(connection.bannedUntil) }) : t('state.banned'), 'look');
  }
  if (['pairing_timed_out', 'not_paired', 'pairing_failed', 'passkey_required', 'multi_device_required'].includes(connection.cause)) {
    return state('scan', 'need', `${t('state.unlinked')} · ${word('cause', connection.cause)}`, 'link');
  }
  if (connection.retryAt || PASSING.has(connection.cause)) return state('connecting', 'wait', words('disconnected', connection));
  return state('broken', 'bad', words('disconnected', connection), 'look');
}

function scanning(id) {
  const expiresAt = codes.get(id);
  const isAhead = expiresAt && new Date(expiresAt) > Date.now();
  return isAhead ? `${t('state.scan')} · ${t('state.renews', { time: ago(expiresAt) })}` : t('state.scan');
}

function words(name, { cause, retryAt }) {
  const isAhead = retryAt && new Date(retryAt) > Date.now();
  const retry = isAhead ? t('state.retry', { time: ago(retryAt) }) : null;
  return [t(`state.${name}`), retry, cause && cause !== name ? word('cause', cause) : null].filter(Boolean).join(' · ');
}
