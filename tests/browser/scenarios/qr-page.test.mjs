import { after, before, test } from 'node:test';
import assert from 'node:assert/strict';
import { Browser, assertAccessible, assertFits, picture } from '../driver/browser.mjs';
import { scanned } from '../driver/camera.mjs';
import { World, foreignPage, until } from '../driver/world.mjs';

let world, browser;

before(async () => {
  world = await World.start();
  browser = await Browser.launch();
});
after(async () => {
  await browser?.close();
  await world?.stop();
});

/** A session of whatsgate's API: its answer has the address of the page. */
async function session(more = {}) {
  const { data } = await world.gateway.post('/api/v1/session-create', { name: 'My WhatsApp', ...more });
  return { ...data, address: `${world.url}${new URL(data.qr_link).pathname}` };
}

/** The page around the frame, with the structure that whatsgate documents: a frame of 310 by 310, a log, and a listener that looks at
 * origin, kind and module of each message. */
const parent = (address) => `<!doctype html><title>parent</title><link rel="icon" href="data:,">
<h1>Link your WhatsApp</h1>
<iframe src="${address}" width="310" height="310" style="border: none;"></iframe>
<div class="log" id="log"></div>
<script>
  window.addEventListener("message", function (event) {
    if (event.origin !== ${JSON.stringify(new URL(address).origin)}) return;
    if (typeof event.data !== "object") return;
    if (!("module" in event.data) && event.data.module !== "qr") return;
    document.getElementById("log").append("received: " + event.data.message, document.createElement("br"));
  });
</script>`;

/** What the parent has heard so far, repeats left out. */
const heard = async (page) => {
  const words = (await page.locator('#log').innerText()).split('\n').filter(Boolean).map((line) => line.replace('received: ', ''));
  return words.filter((word, at) => word !== words[at - 1]);
};

const hears = (page, wanted) => until(`the parent hears ${wanted}`, async () => (await heard(page)).join() === wanted.join());

test('the page around the frame hears loading, qr and success while a phone scans what is on the screen', async () => {
  const { address } = await session();
  const around = await foreignPage(parent(address));
  const page = await browser.page({ width: 400, height: 480 });
  await page.goto(around.url);
  const qr = await scanned(page);
  await picture(page, 'qr-page-code');
  await world.phone('15550200001');
  await world.scan('15550200001', qr);
  await hears(page, ['loading', 'qr', 'success']);
  await picture(page, 'qr-page-success');
  browser.assertQuiet();
  await around.close();
});

for (const colorScheme of ['light', 'dark']) {
  test(`in a window of its own, ${colorScheme}, it fits, keeps nobody out and says what it shows`, async () => {
    const { address } = await session();
    const page = await browser.page({ width: 310, height: 310, colorScheme });
    await page.goto(address);
    await scanned(page);
    assert.match(await page.getByRole('status').innerText(), /scan/i);
    await assertAccessible(page, 'the QR page');
    await assertFits(page, 'the QR page');
    await picture(page, `qr-page-${colorScheme}`);
    browser.assertQuiet();
  });
}

test('a phone is linked by the code that the page shows', async () => {
  const number = '15550200002';
  await world.phone(number);
  const { address } = await session({ auth_type: 'CODE', number });
  const around = await foreignPage(parent(address));
  const page = await browser.page({ width: 400, height: 480 });
  await page.goto(around.url);
  const frame = page.frameLocator('iframe');
  const code = await frame.locator('#code:not([hidden])').innerText();
  await picture(page, 'qr-page-pairing-code');
  await world.simulator.post(`/sim/phones/${number}/link-code`, { code: code.replace(/\W/g, '') });
  await hears(page, ['loading', 'qr', 'success']);
  browser.assertQuiet();
  await around.close();
});

test('a link that has run out is an error, an address that leads nowhere is broken', async () => {
  const id = await world.instance('soon over');
  const { url } = await world.gateway.post(`/api/instances/${id}/qr-link`, { expiresIn: 1 });
  const over = `${world.url}${new URL(url).pathname}`;
  await until('the end of the link', async () => (await world.gateway.get(`${new URL(url).pathname}/state`)).state === 'error');
  for (const [address, word] of [[over, 'error'], [`${world.url}/qr/6345454545454`, 'broken']]) {
    const around = await foreignPage(parent(address));
    const page = await browser.page({ width: 400, height: 480 });
    await page.goto(around.url);
    await hears(page, [word]);
    await picture(page, `qr-page-${word}`);
    await around.close();
  }
  browser.assertQuiet();
});

test('a link that runs out while somebody looks becomes an error', async () => {
  const id = await world.instance('while looking');
  const { url } = await world.gateway.post(`/api/instances/${id}/qr-link`, { expiresIn: 4 });
  const around = await foreignPage(parent(`${world.url}${new URL(url).pathname}`));
  const page = await browser.page({ width: 400, height: 480 });
  await page.goto(around.url);
  await hears(page, ['loading', 'qr', 'error']);
  browser.assertQuiet();
  await around.close();
});
