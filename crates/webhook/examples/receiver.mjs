// Takes webhooks, and nothing that somebody else has made or has recorded.
//
//     WEBHOOK_SECRET=… node receiver.mjs 8080
//
// Needs nothing but Node.js 20.
import { createHmac, timingSafeEqual } from 'node:crypto';
import { createServer } from 'node:http';

const SECRET = process.env.WEBHOOK_SECRET;
// How old a call may be, in seconds: what was recorded can't be played again later.
const OLDEST = 300;
// The largest body that is read.
const LARGEST = 1 << 20;
// Ids of what was worked on: a call may come again. A real receiver keeps them where its work is kept.
const done = new Set();

/** Whether `X-Webhook-Signature-V2` (`t=<Unix seconds>,v1=<hex>`) is that of the body's exact bytes. */
function isGenuine(header, body, now) {
  const parts = Object.fromEntries(header.split(',').map((part) => part.split('=', 2)));
  if (!/^[0-9]+$/.test(parts.t ?? '') || Math.abs(now - Number(parts.t)) > OLDEST) return false;
  const expected = createHmac('sha256', SECRET).update(`${parts.t}.`).update(body).digest();
  // While the secret is changed, the new one stands beside it: either will do.
  return [parts.v1, parts.next].some((given) => {
    const signature = Buffer.from(given ?? '', 'hex');
    // Takes the same time wherever they differ.
    return signature.length === expected.length && timingSafeEqual(signature, expected);
  });
}

/** The bytes as they came: what a framework has parsed and written anew has another signature. */
async function bodyOf(request) {
  const pieces = [];
  let length = 0;
  for await (const piece of request) {
    length += piece.length;
    if (length <= LARGEST) pieces.push(piece);
  }
  return length <= LARGEST ? Buffer.concat(pieces) : Buffer.alloc(0);
}

const server = createServer(async (request, response) => {
  const body = await bodyOf(request);
  if (!isGenuine(request.headers['x-webhook-signature-v2'] ?? '', body, Date.now() / 1_000)) {
    response.writeHead(401).end();
    return;
  }
  const event = JSON.parse(body);
  if (!done.has(event.id)) {
    console.log('event', event.event, event.id);
    done.add(event.id);
  }
  // Only now: what isn't answered with 2xx comes again.
  response.writeHead(200).end();
});
server.listen(Number(process.argv[2]), '127.0.0.1', () => {
  console.log(`listening http://127.0.0.1:${server.address().port}/`);
});
