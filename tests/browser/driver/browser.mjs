// A browser that leaves nothing unnoticed: errors of pages, and requests to other hosts.
import assert from 'node:assert/strict';
import { access, mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import axe from 'axe-core';
import { chromium } from 'playwright-core';

/** Debian's; another one by its path. */
const executablePath = process.env.CHROMIUM ?? '/usr/bin/chromium';
const screenshots = process.env.SCREENSHOTS ?? fileURLToPath(new URL('../../../target/screenshots', import.meta.url));
/** How long what a page is to show may take, in milliseconds: browser, gateway and simulator share the machine with whatever else runs. */
const PATIENCE = 30_000;
/** With this folder, the console's files come from there and not from the binary: to see a change without building. */
const folder = process.env.CONSOLE_FOLDER;

export class Browser {
  static async launch() {
    await mkdir(screenshots, { recursive: true });
    const args = ['--no-sandbox', '--disable-background-networking', '--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1'];
    return new Browser(await chromium.launch({ executablePath, args }));
  }

  constructor(browser) {
    Object.assign(this, { browser, troubles: [], strangers: [] });
  }

  /** A page of a person of their own. */
  async page({ width = 1280, height = 800, locale = 'en-GB', colorScheme = 'light', ...more } = {}) {
    const context = await this.browser.newContext({ viewport: { width, height }, locale, colorScheme, timezoneId: 'UTC', ...more });
    if (folder) await fromFolder(context);
    const page = await context.newPage();
    page.setDefaultTimeout(PATIENCE);
    this.watch(page);
    return page;
  }

  watch(page) {
    page.on('pageerror', (error) => this.troubles.push(error.stack ?? String(error)));
    page.on('console', (message) => message.type() === 'error' && this.troubles.push(`${message.text()} (${message.location().url})`));
    page.on('request', (request) => {
      const { protocol, hostname } = new URL(request.url());
      if (protocol.startsWith('http') && hostname !== '127.0.0.1') this.strangers.push(request.url());
    });
  }

  /** Fails if a page had an error, or asked another host; `expected` are errors that belong to a scenario. */
  assertQuiet(expected = []) {
    assert.deepEqual(this.strangers, [], 'requests to other hosts');
    assert.deepEqual(this.troubles.filter((trouble) => !expected.some((known) => known.test(trouble))), [], 'errors on the console');
  }

  close() {
    return this.browser.close();
  }
}

/** Keeps what the page looks like, for people to look at. */
export async function picture(page, name) {
  return page.screenshot({ path: join(screenshots, `${name}.png`), animations: 'disabled' });
}

/** Fails on what keeps people out: axe's serious and critical findings. */
export async function assertAccessible(page, where) {
  await page.evaluate(axe.source);
  const { violations } = await page.evaluate(() => globalThis.axe.run(document, { resultTypes: ['violations'] }));
  const grave = violations.filter(({ impact }) => impact === 'serious' || impact === 'critical');
  const told = grave.map(({ id, help, nodes }) => `${id}: ${help}\n  ${nodes.map(({ html, failureSummary }) => `${html} ${failureSummary}`).join('\n  ')}`);
  assert.deepEqual(told, [], `accessibility of ${where}`);
}

/** Fails where the page is wider than the window, or a button cuts its words off. */
export async function assertFits(page, where) {
  const wide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
  assert.ok(wide <= 0, `${where} is ${wide} px wider than the window`);
  const cut = await page.evaluate(() => [...document.querySelectorAll('button, .button, label, h1, h2')]
    .filter((it) => it.offsetParent && !it.closest('.hear') && it.scrollWidth > it.clientWidth + 1 && getComputedStyle(it).overflow !== 'visible')
    .map((it) => it.textContent));
  assert.deepEqual(cut, [], `words that are cut off on ${where}`);
}

async function fromFolder(context) {
  await context.route(/\/console\/[0-9a-f]+\/[\w.-]+$/, async (route) => {
    const name = new URL(route.request().url()).pathname.split('/').pop();
    const type = { js: 'text/javascript', css: 'text/css', json: 'application/json' }[name.split('.').pop()];
    await access(join(folder, name));
    await route.fulfill({ contentType: type, body: await readFile(join(folder, name)) });
  });
  await context.route((url) => url.pathname === '/', async (route) => {
    if (route.request().resourceType() !== 'document') return route.continue();
    const page = await readFile(join(folder, 'index.html'), 'utf8');
    const response = await route.fetch();
    const headers = response.status() === 200 ? { 'content-security-policy': response.headers()['content-security-policy'] } : {};
    return route.fulfill({ status: 200, contentType: 'text/html', headers, body: page.replaceAll('{{base}}', 'console/0/') });
  });
}
