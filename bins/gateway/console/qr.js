// QR codes, as ISO/IEC 18004 has them: bytes, the weakest correction (a screen is not dirty), and always the first mask, since
// what WhatsApp shows is as good as random and needs no choice among masks.
import { h } from './dom.js';

/** Of each version from 1 on, at the weakest level: words of correction in a block, and blocks. */
const CORRECTION = [7, 10, 15, 20, 26, 18, 20, 24, 30, 18, 20, 24, 26, 30, 22, 24, 28, 30, 28, 28, 28, 28, 30, 30, 26, 28, 30, 30, 30, 30, 30, 30, 30, 30, 30, 30, 30, 30, 30, 30];
const BLOCKS = [1, 1, 1, 1, 1, 2, 2, 2, 2, 4, 4, 4, 4, 4, 6, 6, 6, 6, 7, 8, 8, 9, 9, 10, 12, 12, 12, 13, 14, 15, 16, 17, 18, 19, 19, 20, 21, 22, 24, 25];
/** The light border that cameras need. */
const QUIET = 4;

/** The modules of the smallest code for a text: rows of true (dark) and false. */
export function modules(text) {
  const bytes = new TextEncoder().encode(text);
  const version = fitting(bytes.length);
  const grid = frame(version);
  place(grid, interleaved(words(bytes, version), version));
  format(grid);
  return grid.dark;
}

/** A picture of it. */
export function qrCode(text, label) {
  const rows = modules(text);
  const size = rows.length + 2 * QUIET;
  const d = rows.map((row, y) => row.map((dark, x) => (dark ? `M${x + QUIET} ${y + QUIET}h1v1h-1z` : '')).join('')).join('');
  return h('svg', { class: 'qr', viewBox: `0 0 ${size} ${size}`, role: 'img', 'aria-label': label, 'shape-rendering': 'crispEdges' },
    h('rect', { width: size, height: size, fill: '#fff' }), h('path', { d, fill: '#000' }));
}

const lengthBits = (version) => (version < 10 ? 8 : 16);

function fitting(length) {
  for (let version = 1; version <= 40; version += 1) {
    if (4 + lengthBits(version) + 8 * length <= 8 * capacity(version)) return version;
  }
  throw new RangeError('too long for a QR code');
}

/** All words of a version, those of correction included. */
function allWords(version) {
  let bits = (16 * version + 128) * version + 64;
  if (version >= 2) {
    const marks = Math.floor(version / 7) + 2;
    bits -= (25 * marks - 10) * marks - 55;
    if (version >= 7) bits -= 36;
  }
  return Math.floor(bits / 8);
}

const capacity = (version) => allWords(version) - CORRECTION[version - 1] * BLOCKS[version - 1];

function words(bytes, version) {
  const bits = [];
  const add = (value, length) => { for (let at = length - 1; at >= 0; at -= 1) bits.push((value >>> at) & 1); };
  add(4, 4);
  add(bytes.length, lengthBits(version));
  for (const byte of bytes) add(byte, 8);
  const room = 8 * capacity(version);
  add(0, Math.min(4, room - bits.length));
  add(0, (8 - (bits.length % 8)) % 8);
  for (let filler = 0xec; bits.length < room; filler ^= 0xec ^ 0x11) add(filler, 8);
  return Array.from({ length: room / 8 }, (_, at) => bits.slice(8 * at, 8 * at + 8).reduce((word, bit) => (word << 1) | bit, 0));
}

/** Multiplies in the field of 256 elements over x⁸ + x⁴ + x³ + x² + 1. */
function times(a, b) {
  let product = 0;
  for (let at = 7; at >= 0; at -= 1) product = (product << 1) ^ ((product >>> 7) * 0x11d) ^ (((b >>> at) & 1) * a);
  return product;
}

function divisor(degree) {
  const terms = new Array(degree).fill(0);
  terms[degree - 1] = 1;
  for (let step = 0, root = 1; step < degree; step += 1, root = times(root, 2)) {
    for (let at = 0; at < degree; at += 1) terms[at] = times(terms[at], root) ^ (terms[at + 1] ?? 0);
  }
  return terms;
}

function remainder(data, terms) {
  const rest = new Array(terms.length).fill(0);
  for (const word of data) {
    const factor = word ^ rest.shift();
    rest.push(0);
    terms.forEach((term, at) => { rest[at] ^= times(term, factor); });
  }
  return rest;
}

function interleaved(data, version) {
  const [blocks, correction] = [BLOCKS[version - 1], CORRECTION[version - 1]];
  const short = Math.floor(data.length / blocks);
  const longer = data.length % blocks;
  const terms = divisor(correction);
  const parts = [];
  for (let block = 0, at = 0; block < blocks; block += 1) {
    const length = short + (block >= blocks - longer ? 1 : 0);
    const part = data.slice(at, at + length);
    parts.push({ part, check: remainder(part, terms) });
    at += length;
  }
  const column = (name, length) => Array.from({ length }, (_, at) => parts.map((it) => it[name][at])).flat();
  return [...column('part', short + 1), ...column('check', correction)].filter((word) => word !== undefined);
}

/** What is on every code of a version; `fixed` is where no data goes. */
function frame(version) {
  const size = 4 * version + 17;
  const grid = { size, dark: rows(size), fixed: rows(size) };
  for (let at = 0; at < size; at += 1) {
    set(grid, 6, at, at % 2 === 0);
    set(grid, at, 6, at % 2 === 0);
  }
  for (const [x, y] of [[3, 3], [size - 4, 3], [3, size - 4]]) mark(grid, x, y, 4);
  const places = alignments(version, size);
  const last = places.length - 1;
  places.forEach((y, row) => places.forEach((x, column) => {
    const isCorner = (row === 0 && column === 0) || (row === 0 && column === last) || (row === last && column === 0);
    if (!isCorner) mark(grid, x, y, 2);
  }));
  format(grid);
  if (version >= 7) versionMarks(grid, version);
  return grid;
}

const rows = (size) => Array.from({ length: size }, () => new Array(size).fill(false));

function set(grid, x, y, dark) {
  grid.dark[y][x] = dark;
  grid.fixed[y][x] = true;
}

/** A square in squares; the large ones have a light border. */
function mark(grid, x, y, reach) {
  for (let dy = -reach; dy <= reach; dy += 1) {
    for (let dx = -reach; dx <= reach; dx += 1) {
      const ring = Math.max(Math.abs(dx), Math.abs(dy));
      const isInside = x + dx >= 0 && x + dx < grid.size && y + dy >= 0 && y + dy < grid.size;
      if (isInside) set(grid, x + dx, y + dy, reach === 4 ? ring !== 2 && ring !== 4 : ring !== 1);
    }
  }
}

function alignments(version, size) {
  if (version === 1) return [];
  const many = Math.floor(version / 7) + 2;
  const step = version === 32 ? 26 : Math.ceil((size - 13) / (2 * many - 2)) * 2;
  return [6, ...Array.from({ length: many - 1 }, (_, at) => size - 7 - step * (many - 2 - at))];
}

/** Level and mask: always the weakest (01), and the first (000). */
function format(grid) {
  const data = 0b01000;
  let rest = data;
  for (let step = 0; step < 10; step += 1) rest = (rest << 1) ^ ((rest >>> 9) * 0x537);
  const bits = ((data << 10) | rest) ^ 0x5412;
  const bit = (at) => ((bits >>> at) & 1) === 1;
  for (let at = 0; at < 6; at += 1) set(grid, 8, at, bit(at));
  set(grid, 8, 7, bit(6));
  set(grid, 8, 8, bit(7));
  set(grid, 7, 8, bit(8));
  for (let at = 9; at < 15; at += 1) set(grid, 14 - at, 8, bit(at));
  for (let at = 0; at < 8; at += 1) set(grid, grid.size - 1 - at, 8, bit(at));
  for (let at = 8; at < 15; at += 1) set(grid, 8, grid.size - 15 + at, bit(at));
  set(grid, 8, grid.size - 8, true);
}

function versionMarks(grid, version) {
  let rest = version;
  for (let step = 0; step < 12; step += 1) rest = (rest << 1) ^ ((rest >>> 11) * 0x1f25);
  const bits = (version << 12) | rest;
  for (let at = 0; at < 18; at += 1) {
    const [near, far] = [Math.floor(at / 3), grid.size - 11 + (at % 3)];
    set(grid, far, near, ((bits >>> at) & 1) === 1);
    set(grid, near, far, ((bits >>> at) & 1) === 1);
  }
}

/** Writes the data in columns of two from the right, up and down in turn, under the mask. */
function place(grid, data) {
  let at = 0;
  for (let right = grid.size - 1; right >= 1; right -= 2) {
    if (right === 6) right = 5;
    for (let step = 0; step < grid.size; step += 1) {
      const y = ((right + 1) & 2) === 0 ? grid.size - 1 - step : step;
      for (const x of [right, right - 1]) {
        if (grid.fixed[y][x]) continue;
        const bit = at < 8 * data.length && ((data[at >>> 3] >>> (7 - (at & 7))) & 1) === 1;
        grid.dark[y][x] = bit !== ((x + y) % 2 === 0);
        at += 1;
      }
    }
  }
}
