// What happens, as it happens: the stream of the events of all instances. `EventSource` can't send a credential in a header,
// so the stream is read by `fetch`.
import { Refusal, request } from './api.js';
import { redraw } from './dom.js';
import { session } from './session.js';

/** The stream shows that it lives every 15 s; after two and a half times that it is taken for dead. */
const SILENCE = 40_000;
/** When it is begun again, unless the gateway names another time. */
const PAUSE = 2_000;
/** After a cut the events of half a minute come again; so many are remembered to tell them. */
const REMEMBERED = 5_000;

export const live = { isOn: false, since: null };

const listeners = new Set();
/** Calls back with each event; answers how to stop that. */
export function hear(listener) {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

const seen = new Set();
function tell(event) {
  if (seen.has(event.id)) return;
  seen.add(event.id);
  if (seen.size > REMEMBERED) seen.delete(seen.values().next().value);
  for (const listener of listeners) listener(event);
  redraw();
}

/** Follows the stream for ever; calls `again` each time it has begun, since what came before is not told. */
export async function follow(again) {
  const stream = { place: null, pause: PAUSE };
  for (;;) {
    if (session.token) await once(stream, again).catch(refused);
    if (live.isOn) Object.assign(live, { isOn: false, since: Date.now() });
    redraw();
    await new Promise((done) => setTimeout(done, session.token ? stream.pause : 500));
  }
}

function refused(error) {
  if (!(error instanceof Refusal)) return;
  console.info(`The stream of events ends: ${error.message}`);
}

async function once(stream, again) {
  const stop = new AbortController();
  let deadline;
  const alive = () => {
    clearTimeout(deadline);
    deadline = setTimeout(() => stop.abort(), SILENCE);
  };
  alive();
  try {
    await events('/api/events/stream', {
      headers: stream.place ? { 'last-event-id': stream.place } : {},
      signal: stop.signal,
      opened: () => {
        Object.assign(live, { isOn: true, since: Date.now() });
        redraw();
        again();
      },
      heard: (frame) => {
        alive();
        if (frame.id) stream.place = frame.id;
        if (frame.retry) stream.pause = Number(frame.retry);
        if (frame.data) tell(JSON.parse(frame.data));
      },
    });
  } finally {
    clearTimeout(deadline);
  }
}

/** Reads a stream of server-sent events to its end. `heard` is told each frame, comments too. */
export async function events(path, { query, headers, signal, opened, heard }) {
  const response = await request('GET', { path, query, headers, signal });
  if (!response.ok) throw new Refusal(response.status, (await response.json().catch(() => null))?.error);
  if (response.status === 204) return;
  opened?.();
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = '';
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    const frames = (rest + value).split('\n\n');
    rest = frames.pop();
    for (const frame of frames) heard(fields(frame));
  }
}

function fields(frame) {
  const named = {};
  for (const line of frame.split('\n')) {
    const colon = line.indexOf(':');
    if (colon > 0) named[line.slice(0, colon)] = line.slice(colon + 1).trimStart();
  }
  return named;
}
