// What somebody does at the console.
import { admin, until } from './world.mjs';

/** Opens the console and signs in. */
export async function signIn(page, url, { email, password } = admin) {
  await page.goto(`${url}/`);
  await page.getByLabel('E-mail').fill(email);
  await page.getByLabel('Password').fill(password);
  await page.getByRole('button', { name: 'Sign in' }).click();
  await page.locator('.live.on').waitFor();
}

/** Waits until the gateway takes the token of the page no more, and asks it something: the console notices at once then, and within 15 s
 * otherwise. */
export async function outlive(page, url, ask) {
  const { token } = await page.evaluate(() => JSON.parse(sessionStorage.getItem('trunkline.session')));
  await until('the end of the token', async () => (await fetch(`${url}/api/auth/me`, { headers: { authorization: `Bearer ${token}` } })).status === 401);
  await ask();
  await page.getByText('Your sign-in has ended.').waitFor({ timeout: 60_000 });
}
