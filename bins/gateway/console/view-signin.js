// Signing in: the first screen, and what stands before a page whose token has ended.
import { LOGIN, Refusal, call, request } from './api.js';
import { sentence } from './dialog.js';
import { h, redraw } from './dom.js';
import { t } from './i18n.js';
import { field } from './parts.js';
import { keep, session } from './session.js';

const form = { email: '', password: '', error: null, isBusy: false };

async function signIn(after) {
  Object.assign(form, { isBusy: true, error: null });
  try {
    const { token, user } = await call({ method: 'POST', path: LOGIN, body: { email: form.email.trim(), password: form.password } });
    // The API key comes with it, and is not kept: the console needs the token alone.
    const { apiKey: _, ...person } = user;
    const isOther = session.user !== null && session.user.id !== user.id;
    session.token = token;
    keep({ token, user: person, isAdmin: await isAdmin() });
    form.password = '';
    // What is on the page, and in memory, is somebody else's.
    if (isOther) location.reload();
    else after();
  } catch (error) {
    session.token = null;
    form.error = error instanceof Refusal && error.status === 401 ? t('signin.wrong') : sentence(error);
  }
  form.isBusy = false;
  redraw();
}

/** Who is signed in is told with what they may do. */
async function isAdmin() {
  const response = await request('GET', { path: '/api/auth/me' });
  if (!response.ok) throw new Refusal(response.status, (await response.json().catch(() => null))?.error);
  return response.headers.get('x-user-role') === 'admin';
}

/** With a page behind it, that has its own main part. */
export function signInView(after, { isAlone = true } = {}) {
  return h(isAlone ? 'main' : 'div', { class: 'signin', id: isAlone ? 'main' : null },
    h('form', { onsubmit: (event) => { event.preventDefault(); signIn(after); } },
      h('h1', {}, 'Trunkline'),
      h('p', { class: 'faint' }, t(session.hasEnded ? 'signin.ended' : 'signin.text')),
      field({ id: 'email', label: t('signin.email'), type: 'email', autocomplete: 'username', required: true, value: form.email, oninput: (event) => { form.email = event.target.value; }, born: (input) => input.focus() }),
      field({ id: 'password', label: t('signin.password'), type: 'password', autocomplete: 'current-password', required: true, value: form.password, oninput: (event) => { form.password = event.target.value; } }),
      form.error && h('p', { class: 'bad', role: 'alert' }, form.error),
      h('button', { class: 'main', disabled: form.isBusy }, t('signin.go')),
      h('p', { class: 'hint' }, t('signin.where'))));
}
