// What is the matter with a webhook.
import { ago, t } from './i18n.js';

export const FORMATS = ['seed1', 'seed0', 'witi', 'witi-bulk', 'witi-bulkgz', 'whatsgate', 'waha', 'waha-any',
  'evolution', 'standard-webhooks'];

/** In words, colour and shape. */
export function health({ enabled, url, pausedAt, failingSince, receiver, unreadable }) {
  if (unreadable?.length > 0) return { tone: 'bad', shape: 'broken', words: t('state.unreadable') };
  if (!enabled || !url) return { tone: 'rest', shape: 'paused', words: t('webhook.off') };
  if (pausedAt) return { tone: 'bad', shape: 'banned', words: t('webhook.paused', { time: ago(pausedAt) }) };
  if (failingSince) return { tone: 'warn', shape: 'held', words: t('webhook.failing', { time: ago(failingSince) }) };
  if (receiver?.state === 'failing' || receiver?.state === 'paused') return { tone: 'warn', shape: 'held', words: t('webhook.no_answer') };
  return { tone: 'good', shape: 'connected', words: t('webhook.well') };
}
