// Shows the description of the API that this gateway serves, and makes its calls.
import { example, rows } from './schema.js';

const METHODS = ['get', 'post', 'put', 'delete'];
const calls = document.getElementById('calls');
const credential = document.getElementById('credential');
const search = document.getElementById('search');

/** An element with properties and children. */
function element(name, properties = {}, ...children) {
  const made = Object.assign(document.createElement(name), properties);
  made.append(...children.filter((child) => child !== undefined));
  return made;
}

function show(api) {
  document.getElementById('version').textContent = api.info.version;
  calls.replaceChildren(element('p', { textContent: api.info.description }));
  for (const tag of api.tags) {
    const section = element('section', { id: `tag-${tag.name}` }, element('h2', { textContent: tag.name }));
    section.append(element('p', { className: 'faint', textContent: tag.description ?? '' }));
    for (const call of callsOf(api, tag.name)) section.append(shown(api, call));
    calls.append(section);
    document.getElementById('tags').append(element('a', { href: `#tag-${tag.name}`, textContent: tag.name }));
  }
  filter();
  open();
}

function callsOf(api, tag) {
  return Object.entries(api.paths).flatMap(([path, methods]) =>
    METHODS.filter((method) => methods[method]?.tags?.includes(tag)).map((method) => ({
      method, path, operation: methods[method], parameters: [...(methods.parameters ?? []), ...(methods[method].parameters ?? [])],
    })),
  );
}

/** A call, whose inside is made when it is opened: there are many. */
function shown(api, call) {
  const { method, path, operation } = call;
  const summary = element('summary', {},
    element('span', { className: 'method', textContent: method }),
    element('span', { className: 'path', textContent: path }),
    element('span', { className: 'gist', textContent: operation.summary ?? '' }));
  const details = element('details', { id: operation.operationId }, summary);
  details.dataset.words = `${method} ${path} ${operation.summary ?? ''} ${operation.description ?? ''}`.toLowerCase();
  details.addEventListener('toggle', () => {
    if (details.open && details.children.length === 1) details.append(inside(api, call));
  });
  return details;
}

function inside(api, call) {
  const { operation, parameters } = call;
  const body = bodyOf(operation);
  const box = element('div', { className: 'call' });
  if (operation.description) box.append(element('p', { textContent: operation.description }));
  if (parameters.length > 0) {
    box.append(element('h3', { textContent: 'Parameters' }));
    box.append(table(parameters.map((it) => ({ ...it, name: `${it.name} (${it.in})`, schema: it.schema }))
      .flatMap((it) => rows(api, it.name, it.schema, it.required, it.description))));
  }
  if (body) {
    box.append(element('h3', { textContent: `Body, ${body.type}` }), table(rows(api, '', body.schema, true)));
  }
  box.append(element('h3', { textContent: 'Answers' }));
  for (const [status, answer] of Object.entries(operation.responses)) {
    box.append(element('p', { textContent: `${status}  ${answer.description}` }));
    const schema = Object.values(answer.content ?? {})[0]?.schema;
    if (schema && status < 300) box.append(table(rows(api, '', schema, true)));
  }
  box.append(trial(api, call, body));
  return box;
}

function bodyOf(operation) {
  const [type, content] = Object.entries(operation.requestBody?.content ?? {})[0] ?? [];
  return type && { type, schema: content.schema };
}

function table(lines) {
  const body = element('tbody');
  for (const { name, type, text } of lines) {
    body.append(element('tr', {}, element('td', { textContent: name }),
      element('td', {}, element('span', { className: 'faint', textContent: `${type}  ` }), text ?? '')));
  }
  return element('table', {}, body);
}

/** Makes the call with what is filled in, and shows the answer and the curl that does the same. */
function trial(api, call, body) {
  const form = element('form', {}, element('h3', { textContent: 'Try it' }));
  const fields = call.parameters.map((parameter) => {
    const input = element('input', { name: parameter.name, required: parameter.in === 'path' });
    form.append(element('p', {}, element('label', {}, `${parameter.name} `, input)));
    return { parameter, input };
  });
  const isForm = body?.type.startsWith('multipart/');
  const text = body && !isForm && element('textarea', {
    spellcheck: false, ariaLabel: 'Body', value: JSON.stringify(example(api, body.schema), null, 2),
  });
  if (text) form.append(text);
  if (isForm) form.append(element('p', { className: 'faint', textContent: 'Forms are sent by curl or a program.' }));
  const curl = element('pre', { ariaLabel: 'curl' });
  const answer = element('pre', { ariaLabel: 'Answer' });
  const request = () => requestOf(call, fields, text);
  const update = () => (curl.textContent = curlOf(request()));
  form.addEventListener('input', update);
  form.addEventListener('submit', (event) => {
    event.preventDefault();
    send(request(), answer);
  });
  if (!isForm) form.append(element('button', { textContent: 'Send' }));
  form.append(element('button', { type: 'button', textContent: 'Copy curl', onclick: () => navigator.clipboard.writeText(curl.textContent) }));
  form.append(curl, answer);
  update();
  return form;
}

function requestOf({ method, path }, fields, text) {
  const query = new URLSearchParams();
  const headers = {};
  let filled = path;
  for (const { parameter, input } of fields) {
    if (parameter.in === 'path') filled = filled.replace(`{${parameter.name}}`, encodeURIComponent(input.value));
    else if (input.value === '') continue;
    else if (parameter.in === 'query') query.set(parameter.name, input.value);
    else headers[parameter.name] = input.value;
  }
  if (text) headers['content-type'] = 'application/json';
  const tail = query.size > 0 ? `?${query}` : '';
  return { method: method.toUpperCase(), url: new URL(`..${filled}${tail}`, import.meta.url), headers, body: text?.value };
}

/** A token has three parts between dots, a key has none. */
function credentials() {
  const value = credential.value.trim();
  if (value === '') return {};
  return value.split('.').length === 3 ? { authorization: `Bearer ${value}` } : { 'x-api-key': value };
}

// The credential itself stays out of what people copy into chats and tickets.
function curlOf({ method, url, headers, body }) {
  const quoted = (word) => `'${word.replaceAll("'", `'\\''`)}'`;
  const lines = [`curl -X ${method} ${quoted(url.href)}`, `-H "x-api-key: $TRUNKLINE_KEY"`];
  for (const [name, value] of Object.entries(headers)) lines.push(`-H ${quoted(`${name}: ${value}`)}`);
  if (body) lines.push(`-d ${quoted(body)}`);
  return lines.join(' \\\n  ');
}

async function send({ method, url, headers, body }, answer) {
  answer.className = '';
  answer.textContent = '…';
  const since = performance.now();
  try {
    const response = await fetch(url, { method, headers: { ...headers, ...credentials() }, body });
    const text = await response.text();
    answer.className = response.ok ? '' : 'bad';
    answer.textContent = `${response.status}, ${Math.round(performance.now() - since)} ms\n${pretty(text)}`;
  } catch (error) {
    answer.className = 'bad';
    answer.textContent = `The gateway can't be reached: ${error.message}`;
  }
}

function pretty(text) {
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
}

function filter() {
  const words = search.value.toLowerCase().split(/\s+/);
  for (const details of calls.querySelectorAll('details')) {
    details.hidden = !words.every((word) => details.dataset.words.includes(word));
  }
  for (const section of calls.querySelectorAll('section')) {
    section.hidden = !section.querySelector('details:not([hidden])');
  }
}

/** Opens the call that the address names. */
function open() {
  const named = document.getElementById(location.hash.slice(1));
  if (named instanceof HTMLDetailsElement) named.open = true;
  named?.scrollIntoView();
}

search.addEventListener('input', filter);
addEventListener('hashchange', open);
addEventListener('keydown', (event) => {
  if (event.key !== '/' || event.target.matches('input, textarea')) return;
  event.preventDefault();
  search.focus();
});

try {
  const response = await fetch(new URL('../openapi.json', import.meta.url));
  if (!response.ok) throw new Error(`${response.status}`);
  show(await response.json());
} catch (error) {
  calls.replaceChildren(element('p', { className: 'bad', textContent: `The description can't be read: ${error.message}` }));
}
