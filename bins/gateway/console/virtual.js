// Long lists: only what can be seen is on the page, and a little on both sides, so that the keyboard finds a next row.
import { afterwards, h, redraw } from './dom.js';

/** Rows beyond the edges. */
const BEYOND = 6;

/** Follows how large an element is. */
function measured(list) {
  return (element) => {
    list.element = element;
    new ResizeObserver(() => {
      list.tall = element.clientHeight;
      redraw();
    }).observe(element);
  };
}

/** A list of rows of one height. */
export class Rows {
  constructor(height) {
    Object.assign(this, { height, top: 0, tall: 800 });
  }

  view(items, row, { label, keyOf, ...more } = {}) {
    const first = Math.max(0, Math.floor(this.top / this.height) - BEYOND);
    const last = Math.min(items.length, Math.ceil((this.top + this.tall) / this.height) + BEYOND);
    const one = (item, at) => h('div', {
      key: keyOf(item),
      class: 'row',
      role: 'listitem',
      'aria-setsize': items.length,
      'aria-posinset': first + at + 1,
      style: { transform: `translateY(${(first + at) * this.height}px)`, height: `${this.height}px` },
    }, row(item));
    return h('div', { ...more, class: 'rows', onscroll: (event) => { this.top = event.target.scrollTop; more.onscroll?.(event); }, born: measured(this) },
      h('div', { class: 'extent', role: 'list', 'aria-label': label, style: { height: `${items.length * this.height}px` } },
        items.slice(first, last).map(one)));
  }

  /** Whether the end is so near that more should be read. */
  isNearEnd(count) {
    return this.top + this.tall * 2 > count * this.height;
  }
}

/** A conversation: rows of any height, the newest at the bottom, where it stays unless somebody scrolls. */
export class Talk {
  constructor(estimate) {
    Object.assign(this, { estimate, top: 0, tall: 600, heights: new Map(), keys: [], sizes: [], offsets: [0], isAtEnd: true, anchor: null, shift: 0, isSent: false });
  }

  view(items, row, { label, keyOf, ...more } = {}) {
    if (this.lay(items, keyOf) || this.isSent) this.hold();
    if (this.isAtEnd) this.top = Math.max(0, this.offsets.at(-1) - this.tall);
    const first = Math.max(0, this.at(this.top) - BEYOND);
    const last = Math.min(items.length, this.at(this.top + this.tall) + 1 + BEYOND);
    afterwards(() => this.settle(first, last));
    const one = (item, at) => h('div', { key: keyOf(item), class: 'said', style: { transform: `translateY(${this.offsets[first + at]}px)` } },
      row(item, items[first + at - 1]));
    return h('div', { ...more, class: 'talk', tabindex: 0, role: 'log', 'aria-label': label, 'aria-live': 'off', onscroll: () => this.scrolled(), born: measured(this) },
      h('div', { class: 'extent', style: { height: `${this.offsets.at(-1)}px` } }, items.slice(first, last).map(one)));
  }

  /** Where each row begins, by what is known of the heights; answers whether that has changed. */
  lay(items, keyOf) {
    const isOther = items !== this.items;
    if (!isOther && !this.isStale) return false;
    if (isOther) {
      this.keys = items.map(keyOf);
      this.sizes = Float64Array.from(this.keys, (key) => this.heights.get(key) ?? this.estimate);
      if (this.anchor) this.anchor.at = Math.max(0, this.keys.indexOf(this.anchor.key));
      this.offsets = new Float64Array(items.length + 1);
    }
    Object.assign(this, { items, isStale: false });
    for (let at = 0; at < this.sizes.length; at += 1) this.offsets[at + 1] = this.offsets[at] + this.sizes[at];
    return true;
  }

  /** What is at the top stays there. Only by how far it has moved is scrolled: somebody may have scrolled on meanwhile. */
  hold() {
    if (this.isAtEnd || !this.anchor) return;
    const top = Math.max(0, this.offsets[this.anchor.at] + this.anchor.below);
    this.shift += top - this.top;
    this.top = top;
  }

  /** The row at this height. */
  at(height) {
    let [low, high] = [0, this.keys.length - 1];
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (this.offsets[middle] <= height) low = middle;
      else high = middle - 1;
    }
    return Math.max(0, low);
  }

  scrolled() {
    if (this.isSent) return;
    this.top = this.element.scrollTop;
    this.isAtEnd = this.top + this.tall >= this.element.scrollHeight - 24;
    this.keep();
  }

  /** Remembers what is at the top. */
  keep() {
    const at = this.at(this.top);
    this.anchor = this.keys.length > 0 ? { key: this.keys[at], at, below: this.top - this.offsets[at] } : null;
  }

  /** Goes to a row. */
  show(key) {
    this.isAtEnd = false;
    this.anchor = { key, at: Math.max(0, this.keys.indexOf(key)), below: -this.tall / 3 };
    this.isSent = true;
    redraw();
  }

  toEnd() {
    this.isAtEnd = true;
    redraw();
  }

  settle(first, last) {
    if (!this.element?.isConnected) return;
    let isChanged = false;
    const rows = this.element.firstElementChild?.children ?? [];
    for (let at = first; at < last && at - first < rows.length; at += 1) {
      const height = rows[at - first].offsetHeight;
      if (height === 0 || this.sizes[at] === height) continue;
      this.heights.set(this.keys[at], height);
      this.sizes[at] = height;
      isChanged = true;
    }
    if (this.isAtEnd) this.element.scrollTop = this.element.scrollHeight;
    else if (this.isSent) this.element.scrollTop = this.top;
    else if (this.shift !== 0) this.element.scrollTop += this.shift;
    Object.assign(this, { shift: 0, isSent: this.isSent && isChanged });
    if (!isChanged) return;
    this.isStale = true;
    redraw();
  }
}
