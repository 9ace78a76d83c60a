// Words, numbers and times in the language of whoever looks.
import { redraw } from './dom.js';

export const LANGUAGES = { en: 'English', zh: '中文', ru: 'Русский', pt: 'Português' };
const PLACE = 'trunkline.language';
/** The words of a language are whole; those of English stand in while others are on their way. */
let words = {};
/** `region` is the same with what the browser says of dates and numbers. */
export const language = { tag: 'en', region: 'en' };

/** Takes the language that was chosen last, or that the browser asks for first. */
export async function speak(chosen = localStorage.getItem(PLACE)) {
  const asked = [chosen, ...navigator.languages].filter(Boolean).map((tag) => tag.slice(0, 2).toLowerCase());
  const tag = asked.find((tag) => tag in LANGUAGES) ?? 'en';
  const answer = await fetch(new URL(`words-${tag}.json`, import.meta.url));
  words = await answer.json();
  Object.assign(language, { tag, region: navigator.languages.find((it) => it.startsWith(tag)) ?? tag });
  document.documentElement.lang = { zh: 'zh-Hans', pt: 'pt-BR' }[tag] ?? tag;
  plural = new Intl.PluralRules(tag);
  redraw();
}

export async function choose(tag) {
  localStorage.setItem(PLACE, tag);
  await speak(tag);
}

let plural = new Intl.PluralRules('en');

/** A text, with `{name}` replaced. With `count`, the form that the language has for so many. */
export function t(key, values = {}) {
  const form = 'count' in values ? words[`${key}.${plural.select(values.count)}`] ?? words[`${key}.other`] : words[key];
  const text = form ?? words[key] ?? key;
  return text.replace(/\{(\w+)\}/g, (_, name) => (typeof values[name] === 'number' ? number(values[name]) : values[name] ?? ''));
}

/** Whether there is a text for it; words of the gateway that came later have none. */
export const knows = (key) => key in words;

/** The text for a word of the gateway, or the word. */
export const word = (group, value) => (knows(`${group}.${value}`) ? words[`${group}.${value}`] : String(value).replaceAll('_', ' '));

export const number = (value) => new Intl.NumberFormat(language.region).format(value);
export const percent = (part) => new Intl.NumberFormat(language.region, { style: 'percent', maximumFractionDigits: 1 }).format(part);

export function bytes(size) {
  const units = ['byte', 'kilobyte', 'megabyte', 'gigabyte', 'terabyte'];
  const step = Math.min(Math.floor(Math.log10(Math.max(size, 1)) / 3), units.length - 1);
  const value = size / 1000 ** step;
  return new Intl.NumberFormat(language.region, { style: 'unit', unit: units[step], unitDisplay: 'narrow', maximumFractionDigits: value < 10 && step > 0 ? 1 : 0 }).format(value);
}

const formatted = (options) => (time) => new Intl.DateTimeFormat(language.region, options).format(new Date(time));
export const clock = formatted({ hour: '2-digit', minute: '2-digit' });
export const clockSeconds = formatted({ hour: '2-digit', minute: '2-digit', second: '2-digit' });
export const day = formatted({ weekday: 'long', day: 'numeric', month: 'long', year: 'numeric' });
export const shortDay = formatted({ day: 'numeric', month: 'short' });
export const utcDay = formatted({ day: 'numeric', month: 'short', timeZone: 'UTC' });
export const full = formatted({ dateStyle: 'medium', timeStyle: 'medium' });

export const isToday = (time) => new Date(time).toDateString() === new Date().toDateString();

/** The clock of today, the day of any other. */
export const when = (time) => (isToday(time) ? clock(time) : shortDay(time));
/** The same for what lies ahead, where the day alone says too little. */
export const until = (time) => (isToday(time) ? clock(time) : `${shortDay(time)}, ${clock(time)}`);

/** How long ago or ahead, in the largest unit that says something. */
export function ago(time, now = Date.now()) {
  const seconds = Math.round((new Date(time) - now) / 1000);
  const steps = [['day', 86_400], ['hour', 3_600], ['minute', 60], ['second', 1]];
  const [unit, length] = steps.find(([, length]) => Math.abs(seconds) >= length) ?? steps.at(-1);
  return new Intl.RelativeTimeFormat(language.region, { numeric: 'auto', style: 'short' }).format(Math.trunc(seconds / length), unit);
}
