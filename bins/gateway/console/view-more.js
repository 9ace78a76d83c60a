// Where the menu has no room for all: the rest of it.
import { h } from './dom.js';
import { t } from './i18n.js';
import { icon } from './icons.js';
import { to } from './router.js';

export const title = () => t('nav.more');

export const view = (items) => h('section', { class: 'page' }, h('h1', {}, title()),
  h('ul', { class: 'plain' }, items.map(({ name }) => h('li', { key: name }, h('a', { class: 'place', href: to(name), 'data-row': true }, icon(name), t(`nav.${name}`), h('span', { class: 'gap' }), icon('next'))))));
