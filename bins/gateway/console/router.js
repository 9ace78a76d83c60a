// Where one is. Places are fragments (`#/chats/<instance>/<chat>`): they lead to the same thing behind any proxy, and what
// they name, ids of chats and with them phone numbers, never reaches a server's log.
import { redraw } from './dom.js';

export const place = { parts: [], query: new URLSearchParams() };

function look() {
  const [path, query] = location.hash.replace(/^#\/?/, '').split('?');
  place.parts = path.split('/').filter(Boolean).map(decode);
  place.query = new URLSearchParams(query);
}

function decode(part) {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

/** The address of a place, for links. */
export function to(...parts) {
  const query = typeof parts.at(-1) === 'object' ? parts.pop() : null;
  const parameters = new URLSearchParams(Object.entries(query ?? {}).filter(([, value]) => value));
  return `#/${parts.map(encodeURIComponent).join('/')}${parameters.size > 0 ? `?${parameters}` : ''}`;
}

/** Goes there; with `instead`, Back does not lead here. */
export function go(address, { instead = false } = {}) {
  if (location.hash === address) return;
  if (instead) {
    history.replaceState(null, '', address);
    moved();
  } else location.hash = address;
}

let told = () => {};
function moved() {
  look();
  told(place);
  redraw();
}

/** Calls back with each place that one comes to, the first included. */
export function follow(listener) {
  told = listener;
  addEventListener('hashchange', moved);
  moved();
}
