// Makes an instance, shows its QR code, sends a text and a picture, and tells of what comes.
//
//     node client.mjs http://127.0.0.1:3000 <API key> 79001234567 --image=https://example.com/picture.jpg
//
// Needs nothing but Node.js 20.
import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';

class Gateway {
  constructor(url, apiKey) {
    this.url = url.replace(/\/$/, '');
    this.apiKey = apiKey;
  }

  /** Status and JSON of the answer. */
  async call(method, path, { body, query, idempotencyKey } = {}) {
    const answer = await fetch(`${this.url}/api${path}${query ? `?${new URLSearchParams(query)}` : ''}`, {
      method,
      headers: {
        'x-api-key': this.apiKey,
        'content-type': 'application/json',
        ...(idempotencyKey && { 'idempotency-key': idempotencyKey }),
      },
      body: body && JSON.stringify(body),
      signal: AbortSignal.timeout(60_000),
    });
    const json = await answer.json();
    if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${JSON.stringify(json)}`);
    return { status: answer.status, json };
  }

  async createInstance(name, description, webhookUrl, webhookSecret) {
    const webhook = webhookUrl && {
      webhookUrl, webhookEnabled: true, notifyReceived: true, notifySent: true, ...(webhookSecret && { webhookSecret }),
    };
    const { json } = await this.call('POST', '/instances', { body: { name, description, ...webhook } });
    return json.id;
  }

  /** The text to show as a QR code. 202 says that it is still being made. */
  async qrCode(instance) {
    for (;;) {
      const { status, json } = await this.call('GET', `/whatsapp/${instance}/qr`);
      if (status === 200) return json.qrCode;
      await sleep(500);
    }
  }

  async status(instance) {
    return (await this.call('GET', `/whatsapp/${instance}/status`)).json;
  }

  /** Sends once, however often it has to be tried: the key says that it is the same message. */
  async send(instance, kind, body) {
    const idempotencyKey = randomUUID();
    for (const patience of [1_000, 2_000, 4_000, undefined]) {
      try {
        return (await this.call('POST', `/whatsapp/${instance}/${kind}`, { body, idempotencyKey })).json.id;
      } catch (error) {
        // What fetch itself throws doesn't tell whether the message was taken; an answer does.
        const isUnknown = error instanceof TypeError || error.name === 'TimeoutError';
        if (!isUnknown || patience === undefined) throw error;
        await sleep(patience);
      }
    }
  }

  async contacts(instance) {
    return (await this.call('GET', `/whatsapp/${instance}/contacts`)).json.contacts;
  }

  /** What happens, for ever: each call goes on where the last one ended. */
  async *events(instance, interval) {
    let since;
    for (;;) {
      const query = { limit: 10, ...(since && { since }) };
      const { json } = await this.call('GET', `/instances/${instance}/events`, { query });
      yield* json.events;
      since = json.latestTimestamp ?? since;
      if (!json.hasMore) await sleep(interval);
    }
  }
}

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    image: { type: 'string' }, // the address of a picture to send
    webhook: { type: 'string' }, // where events are told
    secret: { type: 'string' }, // what events are signed with: 12 bytes or more
    messages: { type: 'string' }, // how many messages to wait for; without it, for ever
    interval: { type: 'string', default: '5' }, // seconds between two questions
  },
});
const [url, apiKey, phone] = positionals;
const interval = Number(values.interval) * 1_000;

const gateway = new Gateway(url, apiKey);
const instance = await gateway.createInstance('Node.js', 'made by client.mjs', values.webhook, values.secret);
console.log('instance', instance);
console.log('qr', await gateway.qrCode(instance));
while (!(await gateway.status(instance)).ready) await sleep(interval / 5);
console.log('sent', await gateway.send(instance, 'send', { phone, message: 'Hello from Node.js!' }));
if (values.image) {
  const picture = { phone, url: values.image, caption: 'A picture from Node.js' };
  console.log('sent', await gateway.send(instance, 'send-media', picture));
}
console.log('contacts', (await gateway.contacts(instance)).length);

let received = 0;
for await (const event of gateway.events(instance, interval)) {
  if (event.type === 'message_received') {
    console.log('received', event.data.from, event.data.body);
    received += 1;
  }
  if (received === Number(values.messages)) break;
}
