// Who is signed in.
//
// The token is kept in memory and in `sessionStorage`: it survives a reload and ends with its tab. Not in `localStorage`,
// which stays on a shared machine after the browser is closed; not in a cookie, which other pages could make the browser
// send. A new tab asks those that are open (of this origin; nobody else hears the channel), so that links can be opened
// beside each other.
import { redraw } from './dom.js';

const PLACE = 'trunkline.session';
/** How long a new tab waits for the others. */
const PATIENCE = 150;

export const session = { token: null, user: null, isAdmin: false, hasEnded: false };

const channel = new BroadcastChannel(PLACE);
channel.addEventListener('message', ({ data }) => {
  if (data.ask && session.token) channel.postMessage({ tell: stored() });
  if (data.end) forget();
});

function stored() {
  const { token, user, isAdmin } = session;
  return { token, user, isAdmin };
}

/** Takes up what this tab, or another one, has; answers whether somebody is signed in. */
export async function restore() {
  const kept = sessionStorage.getItem(PLACE);
  if (kept) Object.assign(session, JSON.parse(kept));
  else keep(await another());
  return session.token !== null;
}

function another() {
  return new Promise((found) => {
    const hear = ({ data }) => data.tell && found(data.tell);
    channel.addEventListener('message', hear);
    channel.postMessage({ ask: true });
    setTimeout(() => {
      channel.removeEventListener('message', hear);
      found(null);
    }, PATIENCE);
  });
}

export function keep(signedIn) {
  if (!signedIn) return;
  Object.assign(session, signedIn, { hasEnded: false });
  sessionStorage.setItem(PLACE, JSON.stringify(stored()));
  redraw();
}

/** The token is good no more: what is on the page stays until somebody has signed in again. */
export function expire() {
  if (!session.token) return;
  session.token = null;
  session.hasEnded = true;
  sessionStorage.removeItem(PLACE);
  redraw();
}

function forget() {
  Object.assign(session, { token: null, user: null, isAdmin: false, hasEnded: false });
  sessionStorage.clear();
  location.replace('#/');
  location.reload();
}

/** Ends it in all tabs, and what was kept for it. */
export function signOut() {
  channel.postMessage({ end: true });
  forget();
}
