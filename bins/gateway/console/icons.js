// Shapes. Each state has one of its own, so that nobody needs its colour.
import { h } from './dom.js';

const LINES = {
  connecting: ['M8 2a6 6 0 1 1-6 6', 'M8 2a6 6 0 0 0-6 6'],
  scan: ['M2 5V2h3M11 2h3v3M14 11v3h-3M5 14H2v-3', 'M6 6h4v4H6z'],
  passkey: ['M10 9a3.5 3.5 0 1 0-3.3-2.3L2 11.5V14h2.5l.5-1.5h1.500L8 9.5', 'M11 5h.01'],
  paused: ['M5.5 3v10', 'M10.5 3v10'],
  held: ['M8 2.5 14.5 13.500h-13z', 'M8 7v3', 'M8 11.800v.01'],
  banned: ['M5.5 1.800h5l3.7 3.700v5l-3.7 3.700h-5l-3.7-3.700v-5z', 'M5 8h6'],
  out: ['M3.5 3.500l9 9', 'M12.5 3.500l-9 9'],
  broken: ['M8 1.800a6.2 6.2 0 1 0 0 12.4 6.2 6.2 0 0 0 0-12.400z', 'M8 4.800v4', 'M8 11v.01'],
  instances: ['M4 2h8v12H4z', 'M7 12h2'],
  chats: ['M2 3h12v8H7l-3 3v-3H2z'],
  events: ['M1.5 8h3l2-5 3 10 2-5h3'],
  webhooks: ['M6 9.500a3 3 0 1 1-2-2.8', 'M6.5 10.500h5', 'M10 4.5 7.5 9', 'M12 13a2 2 0 1 0 0-4'],
  stats: ['M2.5 14V9M6 14V4M9.5 14V7M13 14V2'],
  users: ['M6 8a3 3 0 1 0 0-6 3 3 0 0 0 0 6z', 'M1 14c0-3 2-4.5 5-4.500s5 1.5 5 4.5', 'M11 2.500a3 3 0 0 1 0 5', 'M12.5 10c1.7.6 2.5 2 2.5 4'],
  keys: ['M10 9a3.5 3.5 0 1 0-3.3-2.300L2 11.500V14h2.500v-2H6.500L8 9.5'],
  audit: ['M4 2h8v12H4z', 'M6 5.500h4M6 8h4M6 10.500h2.5'],
  database: ['M2.5 4c0-1.2 2.5-2 5.5-2s5.5.800 5.5 2-2.5 2-5.5 2-5.5-.800-5.5-2z', 'M2.5 4v8c0 1.2 2.5 2 5.5 2s5.5-.800 5.5-2V4', 'M2.5 8c0 1.2 2.5 2 5.5 2s5.5-.800 5.5-2'],
  more: ['M3 8h.01M8 8h.01M13 8h.01'],
  search: ['M7 12A5 5 0 1 0 7 2a5 5 0 0 0 0 10z', 'M10.8 10.8 14 14'],
  sun: ['M8 11a3 3 0 1 0 0-6 3 3 0 0 0 0 6z', 'M8 1v1.500M8 13.500V15M1 8h1.500M13.5 8H15M3 3l1 1M12 12l1 1M3 13l1-1M12 4l1-1'],
  moon: ['M13.5 9.500A6 6 0 1 1 6.5 2.500a5 5 0 0 0 7 7z'],
  code: ['M5.5 4.5 2 8l3.5 3.500M10.5 4.5 14 8l-3.5 3.5'],
  plus: ['M8 3v10M3 8h10'],
  close: ['M4 4l8 8M12 4l-8 8'],
  back: ['M10 3 5 8l5 5'],
  next: ['M6 3l5 5-5 5'],
  send: ['M2 8 14 2.5 10 14 7.5 9z', 'M7.5 9 14 2.5'],
  clip: ['M13 7.5 8 12.500a3.2 3.2 0 0 1-4.5-4.500L9 2.500a2.1 2.1 0 0 1 3 3L6.5 11a1 1 0 0 1-1.5-1.500L10 4.5'],
  reply: ['M6.5 3 2 7.5 6.5 12', 'M2 7.500h6c3.5 0 6 2 6 6'],
  smile: ['M8 14.200A6.2 6.2 0 1 0 8 1.800a6.2 6.2 0 0 0 0 12.400z', 'M5.5 9.500c1 1.8 4 1.8 5 0', 'M6 6v.5M10 6v.5'],
  check: ['M3 8.5 6.5 12 13 4.5'],
  ticks: ['M1 8.5 4.5 12 11 4.5', 'M7.5 11.5 8 12l6.5-7.5'],
  time: ['M8 14.200A6.2 6.2 0 1 0 8 1.800a6.2 6.2 0 0 0 0 12.400z', 'M8 4.500V8l2.5 1.5'],
  file: ['M4 1.500h5l3.5 3.500v9.500H4z', 'M9 1.500V5h3.5'],
  alert: ['M8 2.5 14.5 13.500h-13z', 'M8 7v3', 'M8 11.800v.01'],
};

const FILLED = new Set(['connected']);

/** A shape that says nothing by itself: words stand beside it. */
export function icon(name, size = 16) {
  const box = { viewBox: '0 0 16 16', width: size, height: size, class: 'icon', 'aria-hidden': 'true' };
  if (FILLED.has(name)) return h('svg', box, h('circle', { cx: 8, cy: 8, r: 5, fill: 'currentColor' }));
  return h('svg', box, (LINES[name] ?? []).map((d, at) => h('path', { d, class: at > 0 && name === 'connecting' ? 'faded' : null })));
}
