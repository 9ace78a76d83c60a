// Files of messages: browsers fetch pictures and sounds without a credential, by links that last an hour.
import { read } from './api.js';
import { redraw } from './dom.js';

/** A link is made anew well before it ends, in milliseconds. */
const LIFE = 50 * 60 * 1_000;

const links = new Map();

/** The address of a message's file once it is known. */
export function fileOf({ instanceId, messageId }) {
  const known = links.get(messageId);
  if (known && Date.now() - known.since < LIFE) return known.url;
  links.set(messageId, { since: Date.now(), url: known?.url });
  ask(instanceId, messageId);
  return known?.url;
}

async function ask(instance, message) {
  try {
    const { url } = await read(`/api/instances/${instance}/messages/${encodeURIComponent(message)}/media/link`);
    links.set(message, { since: Date.now(), url: new URL(url.slice(1), document.baseURI).href });
  } catch {
    // It is asked for again when it has come, or in an hour.
  }
  redraw();
}

/** Asks anew: the file has come. */
export const forget = (messageId) => links.delete(messageId);
