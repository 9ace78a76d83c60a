// What an administrator does in a day.
import { after, before, test } from 'node:test';
import assert from 'node:assert/strict';
import { Browser } from '../driver/browser.mjs';
import { outlive, signIn } from '../driver/person.mjs';
import { World, until } from '../driver/world.mjs';

let world, browser, page, sales;
const FRIEND = '15550230009';
const SALES = '15550230001';

before(async () => {
  world = await World.start();
  browser = await Browser.launch();
  page = await browser.page();
  sales = await world.linked('Sales', SALES);
  await signIn(page, world.url);
});
after(async () => {
  await browser?.close();
  await world?.stop();
});

const dialog = () => page.getByRole('dialog');

test('a webhook is made, tested, fails, and is called once more', async () => {
  await page.keyboard.press('g');
  await page.keyboard.press('w');
  await page.getByText('No webhooks yet').waitFor();
  await page.getByRole('button', { name: 'New webhook' }).click();
  await dialog().getByLabel('Name', { exact: true }).fill('crm');
  await dialog().getByLabel('URL', { exact: true }).fill(world.receiver.url);
  await dialog().getByRole('button', { name: 'Create', exact: true }).click();
  await page.getByRole('heading', { name: 'crm' }).waitFor();
  await page.getByRole('button', { name: 'Test', exact: true }).click();
  await dialog().getByText('It was taken').waitFor();
  await dialog().getByText('taken', { exact: true }).waitFor();
  await page.keyboard.press('Escape');
  await until('the receiver was called', () => world.receiver.calls.some(({ body }) => body.event === 'webhook_test'));

  world.receiver.status = 503;
  await world.write(FRIEND, SALES, 'is anybody there?');
  const failed = page.locator('tbody tr', { hasText: 'failed' }).first();
  await failed.waitFor();
  world.receiver.status = 200;
  await failed.getByRole('button', { name: 'Once more', exact: true }).click();
  await page.locator('tbody tr', { hasText: 'taken' }).filter({ hasText: 'message received' }).first().waitFor();
  browser.assertQuiet();
});

test('what was is replayed by its time, under the ids that it had', async () => {
  const before = world.receiver.calls.length;
  await page.getByRole('button', { name: 'Replay …' }).click();
  await dialog().getByLabel('From', { exact: true }).fill('2020-01-01T00:00');
  await dialog().getByRole('button', { name: 'Replay', exact: true }).click();
  await dialog().getByText(/due again/).waitFor();
  await page.keyboard.press('Escape');
  await until('replayed calls', () => world.receiver.calls.slice(before).some(({ headers }) => headers['x-webhook-replayed'] === 'true'));
  browser.assertQuiet();
});

test('its settings are changed, and its secret made anew', async () => {
  await page.getByRole('link', { name: 'Settings' }).click();
  await page.getByLabel('Retries', { exact: true }).fill('7');
  await page.getByLabel('Deliveries', { exact: true }).check();
  await page.getByRole('button', { name: 'Save', exact: true }).click();
  await until('they are stored', async () => {
    const { maxRetries, notifyDelivery } = await world.gateway.get(`/api/instances/${sales}/webhooks/crm`);
    return maxRetries === 7 && notifyDelivery;
  });
  await page.getByRole('link', { name: "Receiver's code" }).click();
  await page.getByRole('button', { name: 'Python' }).click();
  await page.locator('pre', { hasText: 'hmac.compare_digest' }).waitFor();
  browser.assertQuiet();
});

test('an event is found, filtered, held, and leads to its message', async () => {
  await page.keyboard.press('g');
  await page.keyboard.press('e');
  await page.locator('.event', { hasText: 'is anybody there?' }).click();
  await page.locator('.drawer pre', { hasText: '"body": "is anybody there?"' }).waitFor();
  await page.getByRole('link', { name: 'To the message' }).click();
  await page.locator('.bubble.shown', { hasText: 'is anybody there?' }).waitFor();
  await page.goBack();
  await page.getByRole('button', { name: 'Close' }).click();
  await page.getByRole('button', { name: 'Hold' }).click();
  await world.write(FRIEND, SALES, 'held back');
  await page.getByRole('button', { name: 'Go on · 1 new' }).waitFor();
  assert.equal(await page.locator('.event', { hasText: 'held back' }).count(), 0);
  await page.getByRole('button', { name: 'Go on · 1 new' }).click();
  await page.locator('.event', { hasText: 'held back' }).waitFor();
  await page.getByLabel('Kind', { exact: true }).selectOption({ label: 'connected' });
  await page.locator('.event', { hasText: 'held back' }).waitFor({ state: 'detached' });
  browser.assertQuiet();
});

test('what was counted is shown, and saved as CSV', async () => {
  await page.goto(`${world.url}/#/stats/${sales}?period=week`);
  await page.locator('figure', { hasText: 'Messages received' }).getByText('2', { exact: true }).waitFor();
  const [download] = await Promise.all([page.waitForEvent('download'), page.getByRole('button', { name: 'CSV' }).click()]);
  assert.equal(download.suggestedFilename(), 'trunkline-week.csv');
  browser.assertQuiet();
});

test('a user is made, shut out, and deleted', async () => {
  await page.keyboard.press('g');
  await page.keyboard.press('u');
  await page.getByRole('button', { name: 'New user' }).click();
  await dialog().getByLabel('E-mail', { exact: true }).fill('bob@example.org');
  await dialog().getByLabel('Password', { exact: true }).fill('another horse battery');
  await dialog().getByRole('button', { name: 'Create', exact: true }).click();
  await dialog().getByText("The user's API key").waitFor();
  await page.keyboard.press('Escape');
  const row = page.locator('tbody tr', { hasText: 'bob@example.org' });

  const theirs = await browser.page();
  await signIn(theirs, world.url, { email: 'bob@example.org', password: 'another horse battery' });
  await theirs.getByRole('heading', { name: 'Welcome' }).waitFor();
  assert.equal(await theirs.locator('.menu').getByText('Users').count(), 0, 'what is for administrators is not in the menu of others');
  await theirs.goto(`${world.url}/#/users`);
  await theirs.getByRole('heading', { name: 'Welcome' }).waitFor();

  await row.getByRole('button', { name: 'Edit' }).click();
  await dialog().getByLabel(/Shut out/).check();
  await dialog().getByRole('button', { name: 'Save', exact: true }).click();
  await row.getByText('shut out').waitFor();
  await outlive(theirs, world.url, async () => {
    await theirs.keyboard.press('g');
    await theirs.keyboard.press('k');
  });
  await row.getByRole('button', { name: 'Edit' }).click();
  await dialog().getByRole('button', { name: 'Delete', exact: true }).click();
  await dialog().getByRole('button', { name: 'Delete', exact: true }).click();
  await row.waitFor({ state: 'detached' });
  // A browser tells of each answer that is no success: that they are out.
  browser.assertQuiet([/401 \(Unauthorized\)/]);
  browser.troubles.length = 0;
});

test('a key is made for a program, opens what it should, and ends', async () => {
  await page.keyboard.press('g');
  await page.keyboard.press('k');
  await page.getByRole('button', { name: 'New key' }).click();
  await dialog().getByLabel('Name', { exact: true }).fill('reports');
  await dialog().getByRole('button', { name: 'Create', exact: true }).click();
  const key = await dialog().locator('pre').innerText();
  const tried = (path, method = 'GET') => fetch(world.url + path, { method, headers: { 'x-api-key': key } }).then(({ status }) => status);
  assert.equal(await tried('/api/instances'), 200);
  assert.equal(await tried(`/api/instances/${sales}`, 'DELETE'), 403);
  await page.keyboard.press('Escape');
  await page.locator('tbody tr', { hasText: 'reports' }).getByRole('button', { name: 'Delete', exact: true }).click();
  await dialog().getByRole('button', { name: 'Delete', exact: true }).click();
  await page.getByText('No keys yet').waitFor();
  assert.equal(await tried('/api/instances'), 401);
  browser.assertQuiet();
});

test('the audit log tells all of it, and the database where it is', async () => {
  await page.keyboard.press('g');
  await page.keyboard.press('a');
  for (const done of ['user deleted', 'key deleted', 'webhook created']) await page.locator('tbody tr', { hasText: done }).first().waitFor();
  await page.keyboard.press('g');
  await page.keyboard.press('d');
  await page.getByText('sqlite', { exact: true }).first().waitFor();
  browser.assertQuiet();
});

test('limits are set, and a send beyond them says why', async () => {
  await page.goto(`${world.url}/#/instances/${sales}/safety`);
  await page.getByLabel('Messages sent', { exact: true }).fill('0');
  await page.getByRole('button', { name: 'Save', exact: true }).click();
  await until('they are stored', async () => (await world.gateway.get(`/api/instances/${sales}`)).limits.maxMessagesSent === 0);
  await page.goto(`${world.url}/#/chats/${sales}/${FRIEND}@s.whatsapp.net`);
  await page.locator('[data-reply]').fill('too many');
  await page.keyboard.press('Enter');
  await page.locator('.bubble', { hasText: 'too many' }).locator('.hint.bad').waitFor();
  browser.assertQuiet([/429 \(Too Many Requests\)/]);
});
