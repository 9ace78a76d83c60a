// The console: what stands around every screen, and which screen it is.
import { line, request } from './api.js';
import { isOpen, layer, open } from './dialog.js';
import { classes, h, mount, redraw } from './dom.js';
import { LANGUAGES, ago, choose, language, speak, t } from './i18n.js';
import { icon } from './icons.js';
import { load } from './instances.js';
import { follow as followEvents, live } from './live.js';
import { problem, waiting } from './parts.js';
import { follow, go, place, to } from './router.js';
import { restore, session, signOut } from './session.js';
import { signInView } from './view-signin.js';

/** Screens by the first word of their place: in the order of the menu, the keys that lead there, and who has them. */
const SCREENS = [
  { name: 'instances', key: 'i', module: ({ parts }) => (parts[1] ? './view-instance.js' : './view-instances.js') },
  { name: 'chats', key: 'c', module: () => './view-chats.js' },
  { name: 'events', key: 'e', module: () => './view-events.js' },
  { name: 'webhooks', key: 'w', module: ({ parts }) => (parts[2] ? './view-webhook.js' : './view-webhooks.js') },
  { name: 'stats', key: 's', module: () => './view-stats.js' },
  { name: 'keys', key: 'k', module: () => './view-keys.js' },
  { name: 'users', key: 'u', module: () => './view-users.js', isForAdmins: true },
  { name: 'audit', key: 'a', module: () => './view-audit.js', isForAdmins: true },
  { name: 'database', key: 'd', module: () => './view-database.js' },
  { name: 'more', module: () => './view-more.js', isForNarrow: true },
];
/** So many stand in the menu of a narrow window; the rest behind the last of them. */
const FIRST = 4;
const HOME = to('instances');
const THEME = 'trunkline.theme';

const shell = { screen: null, view: null, error: null };

async function come(place) {
  const screen = SCREENS.find(({ name }) => name === place.parts[0]);
  if (!screen || (screen.isForAdmins && !session.isAdmin && session.token)) return go(HOME, { instead: true });
  try {
    const view = await import(screen.module(place));
    if (shell.view !== view) shell.view?.close?.();
    Object.assign(shell, { screen, view, error: null });
    if (session.token) view.open?.(place);
  } catch (error) {
    // After an upgrade the files of this page are gone; the new page has others.
    console.info(error);
    shell.error = error;
  }
  redraw();
}

function begin() {
  load();
  come(place);
}

function page() {
  document.title = [session.token && shell.view?.title?.(), 'Trunkline'].filter(Boolean).join(' · ');
  if (!session.token && !session.hasEnded) return h('div', { class: 'bare-shell' }, corner(), signInView(begin));
  return h('div', { class: 'shell' },
    h('a', { class: 'skip', href: '#main', onclick: (event) => { event.preventDefault(); document.getElementById('main').focus(); } }, t('skip')),
    bar(), menu(),
    h('main', { id: 'main', tabindex: -1 }, screen()),
    layer(),
    // A dialog, so that it stands before one that is open.
    session.hasEnded && h('dialog', { class: 'veil', key: 'veil', 'aria-label': t('signin.go'), born: (veil) => veil.showModal(), oncancel: (event) => event.preventDefault() }, signInView(begin, { isAlone: false })));
}

function screen() {
  if (shell.error) return problem(shell.error, () => location.reload());
  return shell.view ? shell.view.view(mine().slice(FIRST)) : waiting(shell);
}

function bar() {
  return h('header', { class: 'bar' },
    h('a', { class: 'brand', href: HOME }, 'Trunkline'),
    h('span', { class: 'gap' }),
    h('span', { class: classes({ live: true, on: live.isOn }), title: live.since ? ago(live.since) : null },
      h('i', { 'aria-hidden': 'true' }), live.isOn ? t('live.on') : live.since ? t('live.off', { time: ago(live.since) }) : t('live.begins')),
    corner(),
    h('button', { class: 'bare who', onclick: account, title: t('account') }, session.user?.firstName || session.user?.email));
}

/** Language and theme: also for those who aren't signed in. */
function corner() {
  const isDark = document.documentElement.dataset.theme === 'dark' || (!document.documentElement.dataset.theme && matchMedia('(prefers-color-scheme: dark)').matches);
  return h('div', { class: 'corner' },
    h('select', { class: 'bare', 'aria-label': t('language'), value: language.tag, onchange: (event) => choose(event.target.value) },
      Object.entries(LANGUAGES).map(([tag, name]) => h('option', { value: tag, selected: tag === language.tag }, name))),
    h('button', { class: 'bare', 'aria-label': t(isDark ? 'theme.light' : 'theme.dark'), onclick: () => dress(isDark ? 'light' : 'dark') }, icon(isDark ? 'sun' : 'moon')));
}

function dress(theme) {
  localStorage.setItem(THEME, theme);
  document.documentElement.dataset.theme = theme;
}

function account() {
  open({
    title: session.user.email,
    body: () => [
      h('p', {}, session.isAdmin ? t('account.admin') : t('account.user')),
      h('p', { class: 'faint' }, t('account.kept')),
      h('footer', {}, h('button', { onclick: keysHelp }, t('keys.title')), h('a', { class: 'button', href: 'docs' }, t('account.docs')), h('button', { class: 'main', onclick: signOut }, t('account.out'))),
    ],
  });
}

/** The screens that there are for whoever is signed in. */
const mine = () => SCREENS.filter(({ isForAdmins, isForNarrow }) => !isForNarrow && (!isForAdmins || session.isAdmin));

function menu() {
  const here = shell.screen?.name;
  const item = (name, properties) => h('a', { key: name, href: to(name), ...properties }, icon(name), h('span', {}, t(`nav.${name}`)));
  const isAmongMore = mine().findIndex(({ name }) => name === here) >= FIRST || here === 'more';
  return h('nav', { class: 'menu', 'aria-label': t('menu') },
    mine().map(({ name }, at) => item(name, { class: at < FIRST ? null : 'wide-only', 'aria-current': here === name ? 'page' : null })),
    item('more', { class: 'narrow-only', 'aria-current': isAmongMore ? 'page' : null }));
}

// The keyboard.

let isAfterG = false;

function pressed(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || isOpen() || !session.token) return;
  if (event.target.matches('input, textarea, select')) {
    if (event.key === 'Escape') event.target.blur();
    return;
  }
  const after = isAfterG;
  isAfterG = event.key === 'g' && !after;
  const screen = after && mine().find(({ key }) => key === event.key);
  const acts = { '/': () => focus('[data-search], .filter'), j: () => step(1), k: () => step(-1), r: () => focus('[data-reply]'), '?': keysHelp };
  const act = screen ? () => go(to(screen.name)) : acts[event.key];
  if (!act) return;
  event.preventDefault();
  act();
}

function focus(selector) {
  document.querySelector(`main ${selector}`)?.focus();
}

/** The next row of the list, or the one before. */
function step(by) {
  const rows = [...document.querySelectorAll('main [data-row]')].sort((a, b) => a.getBoundingClientRect().top - b.getBoundingClientRect().top);
  const at = rows.indexOf(document.activeElement);
  rows[at < 0 ? 0 : Math.min(rows.length - 1, Math.max(0, at + by))]?.focus();
}

function keysHelp() {
  const places = mine().map(({ name, key }) => [`g ${key}`, t(`nav.${name}`)]);
  const rows = [['/', t('keys.search')], ['j', t('keys.next')], ['k', t('keys.previous')], ['r', t('keys.reply')], ['?', t('keys.title')], ...places];
  open({ title: t('keys.title'), body: () => h('dl', { class: 'keys' }, rows.map(([keys, text]) => h('div', {}, h('dt', {}, h('kbd', {}, keys)), h('dd', {}, text)))) });
}

// From here on.

document.documentElement.dataset.theme = localStorage.getItem(THEME) ?? '';
await Promise.all([speak(), restore()]);
mount(document.getElementById('app'), page);
follow(come);
if (session.token) load();
followEvents(load);
addEventListener('keydown', pressed);
// Words such as "in 12 s" go on.
setInterval(redraw, 1_000);
// While the gateway could not be asked, it is asked whether it can be again.
const back = () => line.awaySince && request('GET', { path: '/livez' }).then(() => session.token && load(), () => {});
setInterval(back, 5_000);
addEventListener('online', back);
