// What a phone's camera does: it finds the QR code among the pixels of the screen.
import jsqr from 'jsqr';
import { PNG } from 'pngjs';
import { until } from './world.mjs';

/** The text of the QR code on the page, if there is one to be seen. */
export async function seen(page) {
  const { data, width, height } = PNG.sync.read(await page.screenshot());
  return jsqr(new Uint8ClampedArray(data), width, height)?.data;
}

/** The text of the QR code once the page shows one; another one than `but`. */
export function scanned(page, but) {
  return until('a QR code among the pixels', async () => {
    const text = await seen(page);
    return text !== but && text;
  });
}
