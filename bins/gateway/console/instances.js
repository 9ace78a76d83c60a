// The instances of whoever is signed in, as the gateway has them, kept up to date by what it tells.
import { Refusal, read } from './api.js';
import { redraw, say } from './dom.js';
import { hear } from './live.js';
import { codes, stateOf } from './states.js';

/** Changes that come together are asked for together; more than so many instances at once by the list. */
const GATHERED = 60;
const ONE_BY_ONE = 5;
/** How often counts are read while messages come. */
const COUNTING = 5_000;

export const instances = { all: null, byId: new Map(), error: null, readAt: null, counts: new Map(), total: null };

/** What is shown of all instances together is asked of each; with more than so many, one is chosen. */
const TOGETHER = 8;

/** The instances that a screen shows: the one that was chosen, or all of a few. */
export function chosen(id) {
  if (id) return [id];
  return (instances.all ?? []).length <= TOGETHER ? (instances.all ?? []).map((instance) => instance.id) : [];
}

export async function load() {
  try {
    const { instances: all } = await read('/api/instances');
    instances.all = all;
    instances.byId = new Map(all.map((instance) => [instance.id, instance]));
    Object.assign(instances, { error: null, readAt: Date.now() });
  } catch (error) {
    instances.error = error;
  }
  redraw();
  await Promise.all([count(), ...(instances.all ?? []).filter(({ id, status }) => status === 'qr' && !codes.has(id)).slice(0, ONE_BY_ONE).map(renewal)]);
}

/** Until when the code can be scanned that an instance showed before anybody looked. */
async function renewal({ id }) {
  try {
    const { events: [event] } = await read(`/api/instances/${id}/events`, { types: 'qr_received', limit: 1 });
    if (event?.data.expiresAt) codes.set(id, event.data.expiresAt);
    redraw();
  } catch {
    // Then it is told with the next one.
  }
}

async function refresh(id) {
  if (leaving.has(id)) return;
  try {
    take(await read(`/api/instances/${id}`));
  } catch (error) {
    if (error instanceof Refusal && error.status === 404) remove(id);
  }
  redraw();
}

/** Takes what a call has answered of one of them. */
export function take(instance) {
  const known = instances.byId.get(instance.id);
  announce(known, instance);
  instances.byId.set(instance.id, instance);
  instances.all = known ? instances.all.map((it) => (it.id === instance.id ? instance : it)) : [...(instances.all ?? []), instance];
}

/** Those that are being deleted: what they tell last is of no concern. */
export const leaving = new Set();

export function remove(id) {
  instances.byId.delete(id);
  instances.all = (instances.all ?? []).filter((it) => it.id !== id);
}

function announce(before, after) {
  const [was, is] = [before && stateOf(before).words, stateOf(after).words];
  if (was && was !== is && stateOf(before).kind !== stateOf(after).kind) say(`${after.name}: ${is}`);
}

const due = new Set();
/** Asks anew for one that has changed. */
export function renew(id) {
  if (leaving.has(id)) return;
  if (due.size === 0) setTimeout(gather, GATHERED);
  due.add(id);
}

function gather() {
  const ids = [...due];
  due.clear();
  const isMany = ids.length > ONE_BY_ONE || ids.some((id) => !instances.byId.has(id));
  if (isMany) load();
  else ids.forEach(refresh);
}

let counting = null;
function countSoon() {
  counting ??= setTimeout(() => {
    counting = null;
    count();
  }, COUNTING);
}

/** What was counted in the last seven days. */
async function count() {
  try {
    const { total, instances: each } = await read('/api/stats/user', { period: 'week' });
    instances.total = total;
    instances.counts = new Map(each.map((counted) => [counted.instanceId, counted]));
    redraw();
  } catch {
    // What was counted last stays.
  }
}

const CHANGES = new Set(['connected', 'disconnected', 'qr_received', 'instance_changed', 'limits_changed', 'unreadable']);

hear(({ type, data }) => {
  if (type === 'qr_received' && data.expiresAt) codes.set(data.instanceId, data.expiresAt);
  if (CHANGES.has(type)) renew(data.instanceId);
  if (type === 'message_received' || type === 'message_sent') countSoon();
});
