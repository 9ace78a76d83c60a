// Draws what a view describes, and touches nothing of the page that is already so.
//
// A view is a function that answers with descriptions made by `h`. State is plain objects: whoever changes them calls
// `redraw`, and the page is drawn once before the next frame. Listeners of `h` do so by themselves.

const SVG = 'http://www.w3.org/2000/svg';

/**
 * Describes an element. Properties are attributes, but for `on…` (listeners), `key` (which of its siblings it is), `born`
 * (is called with the element once it is on the page) and those that only a property can change (`value`, `checked`, …).
 */
export function h(tag, properties, ...children) {
  return { tag, key: properties?.key, properties: properties ?? {}, children: described(children) };
}

function described(children) {
  return children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false && child !== '')
    .map((child) => (typeof child === 'object' ? child : String(child)));
}

const LIVE = new Set(['value', 'checked', 'disabled', 'open', 'muted', 'selected', 'hidden', 'indeterminate']);

let paint = () => {};
let isDue = false;

/** Begins to draw what `view` describes inside of `root`. */
export function mount(root, view) {
  paint = () => patch(root, described([view()]), null);
  redraw();
}

/** Draws anew before the next frame. */
export function redraw() {
  if (isDue) return;
  isDue = true;
  const draw = () => {
    isDue = false;
    paint();
    for (const after of settled.splice(0)) after();
  };
  // Pages that nobody looks at get no frames.
  if (document.hidden) setTimeout(draw);
  else requestAnimationFrame(draw);
}

const settled = [];

/** Calls back when the page is as what was just described. */
export function afterwards(action) {
  settled.push(action);
}

function patch(parent, children, space) {
  const keyed = new Map();
  const wanted = new Set(children.map((child) => child.key));
  for (const node of [...parent.childNodes]) {
    if (node.trunklineKey === undefined) continue;
    if (wanted.has(node.trunklineKey)) keyed.set(node.trunklineKey, node);
    else node.remove();
  }
  let at = parent.firstChild;
  for (const child of children) {
    const old = child.key === undefined ? at : keyed.get(child.key);
    const node = fits(old, child) ? changed(old, child, space) : made(child, space);
    if (node === at) at = at.nextSibling;
    else parent.insertBefore(node, at);
  }
  while (at) {
    const next = at.nextSibling;
    at.remove();
    at = next;
  }
}

function fits(node, child) {
  if (!node) return false;
  if (typeof child === 'string') return node.nodeType === Node.TEXT_NODE;
  return node.localName === child.tag && node.trunklineKey === child.key;
}

function made(child, space) {
  if (typeof child === 'string') return document.createTextNode(child);
  const inner = child.tag === 'svg' ? SVG : space;
  const node = inner ? document.createElementNS(inner, child.tag) : document.createElement(child.tag);
  if (child.key !== undefined) node.trunklineKey = child.key;
  changed(node, child, space);
  if (child.properties.born) afterwards(() => child.properties.born(node));
  return node;
}

function changed(node, child, space) {
  if (typeof child === 'string') {
    if (node.data !== child) node.data = child;
    return node;
  }
  const before = node.trunklineProperties ?? {};
  // A select has to have its options before it can show one.
  if (!('foreign' in child.properties)) patch(node, child.children, child.tag === 'svg' ? SVG : space);
  for (const name of Object.keys(before)) if (!(name in child.properties)) put(node, name, undefined);
  for (const [name, value] of Object.entries(child.properties)) put(node, name, value, before[name]);
  node.trunklineProperties = child.properties;
  return node;
}

function put(node, name, value, before) {
  if (name === 'key' || name === 'born' || name === 'foreign') return;
  if (name.startsWith('on')) {
    node[name] = value ? (event) => { value(event); redraw(); } : null;
  } else if (LIVE.has(name)) {
    const wanted = value ?? (name === 'value' ? '' : false);
    if (node[name] !== wanted) node[name] = wanted;
  } else if (name === 'style') {
    Object.assign(node.style, value);
  } else if (value === undefined || value === null || value === false) {
    node.removeAttribute(name);
  } else if (value !== before || !node.hasAttribute(name)) {
    node.setAttribute(name, value === true ? '' : value);
  }
}

/** Tells those who hear the page and don't see it, once. */
export function say(text) {
  const ear = document.getElementById('ear');
  ear.textContent = '';
  setTimeout(() => { ear.textContent = text; }, 30);
}

/** A word for each name whose condition holds. */
export function classes(names) {
  return Object.entries(names).filter(([, holds]) => holds).map(([name]) => name).join(' ');
}
