// Calls of the API. A call is described by `{method, path, query, body, form}`: the same description is made, and shown as curl.
import { expire, session } from './session.js';

/** The gateway answers so many large lists of one user at once, and refuses more. */
const AT_ONCE = 4;

/** Where a wrong password is 401, and not the end of a sign-in. */
export const LOGIN = '/api/auth/login';

/** What the gateway said no to. */
export class Refusal extends Error {
  constructor(status, error) {
    super(error?.message ?? `HTTP ${status}`);
    Object.assign(this, { status, code: error?.code, field: error?.field, cause: error?.cause, retryAt: error?.retryAt, retryAfter: error?.retryAfter });
  }
}

/** The gateway could not be asked. */
export class Unreachable extends Error {}

/** How it is to be reached, as far as the last calls tell. */
export const line = { awaySince: null };

export function address({ path, query }) {
  const parameters = new URLSearchParams();
  for (const [name, value] of Object.entries(query ?? {})) {
    if (value !== undefined && value !== null && value !== '') parameters.set(name, value);
  }
  return new URL(path.slice(1) + (parameters.size > 0 ? `?${parameters}` : ''), document.baseURI);
}

let underWay = 0;
const waiting = [];

async function inTurn(action) {
  if (underWay >= AT_ONCE) await new Promise((next) => waiting.push(next));
  underWay += 1;
  try {
    return await action();
  } finally {
    underWay -= 1;
    waiting.shift()?.();
  }
}

/** A JSON answer, or an error. */
export async function call(described) {
  const method = described.method ?? 'GET';
  const make = () => answerOf(method, described);
  return method === 'GET' ? inTurn(make) : make();
}

export const read = (path, query) => call({ path, query });

async function answerOf(method, described) {
  const response = await request(method, described);
  const text = await response.text();
  const body = text && response.headers.get('content-type')?.startsWith('application/json') ? JSON.parse(text) : null;
  if (response.ok) return body;
  throw new Refusal(response.status, body?.error);
}

/** The answer as it comes, for streams and files. */
export async function request(method, described) {
  const headers = { ...described.headers };
  if (session.token) headers.authorization = `Bearer ${session.token}`;
  if (described.body !== undefined) headers['content-type'] = 'application/json';
  const body = described.form ?? (described.body === undefined ? undefined : JSON.stringify(described.body));
  try {
    const response = await fetch(address(described), { method, headers, body, signal: described.signal, cache: 'no-store', credentials: 'omit' });
    line.awaySince = null;
    if (response.status === 401 && described.path !== LOGIN) expire();
    return response;
  } catch (error) {
    if (error.name === 'AbortError') throw error;
    line.awaySince ??= Date.now();
    throw new Unreachable(error.message);
  }
}

/** A name for a send, under which it is made once however often it is asked for. `randomUUID` is for pages with TLS alone. */
export function once() {
  return [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, '0')).join('');
}

/** The same by hand. The credential stays out of what people copy into chats and tickets. */
export function curlOf(described) {
  const quoted = (word) => `'${word.replaceAll("'", `'\\''`)}'`;
  const method = described.method ?? 'GET';
  const lines = [`curl${method === 'GET' ? '' : ` -X ${method}`} ${quoted(address(described).href)}`, '-H "x-api-key: $TRUNKLINE_KEY"'];
  if (described.body !== undefined) {
    lines.push("-H 'content-type: application/json'", `-d ${quoted(JSON.stringify(described.body))}`);
  }
  for (const [name, value] of Object.entries(described.fields ?? {})) lines.push(`-F ${quoted(`${name}=${value}`)}`);
  return lines.join(' \\\n  ');
}
