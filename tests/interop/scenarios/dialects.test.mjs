// A text in each dialect reaches Baileys, and what Baileys answers comes to the webhook of each, verified as its API says.
import { after, before, test } from 'node:test';
import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { createServer } from 'node:http';
import { inflateSync } from 'node:zlib';
import { World } from '../driver/world.mjs';
import { until } from '../driver/until.mjs';
import { refused } from '../driver/loopback.mjs';

const GATEWAY = '15550310001';
const PEER = '15550310002';
const SECRET = 'interop-dialect-secret';
const STANDARD_SECRET = `whsec_${Buffer.from('interop-standard-secret').toString('base64')}`;
/** An instance has ten webhooks at most: the default one, and one for each of these. */
const FORMATS = ['witi', 'witi-bulk', 'witi-bulkgz', 'waha', 'evolution', 'standard-webhooks'];

let world, instance, peer, receiver, session;

before(async () => {
  world = await World.start();
  instance = await world.instance(GATEWAY);
  peer = await world.baileys(PEER);
  receiver = await Receiver.listen();
  for (const format of FORMATS) {
    const secret = format === 'standard-webhooks' ? STANDARD_SECRET : SECRET;
    await world.gateway.post(`/api/instances/${instance.id}/webhooks`, { name: format, url: `${receiver.url}/${format}`, format, secret });
  }
  const { data } = await world.gateway.post('/api/v1/sessions-get', {});
  session = data[0].unique_id;
  await world.gateway.post('/api/v1/set-hook', { WhatsappID: session, callback: `${receiver.url}/whatsgate` });
});
after(async () => {
  await receiver?.close();
  await world.stop();
});

/** Each API's way to send this text to Baileys, and what its answer says that was sent. */
const SENDS = {
  seed1: async (text) => instance.send(PEER, text),
  witi: async (text) => {
    const { wid } = await world.gateway.get(`/api/instances/${instance.id}/witi`);
    const body = { number: `${PEER}@s.whatsapp.net`, message: text };
    return (await world.gateway.post(`/send_message.aspx?wid=${wid}`, body)).message.Id;
  },
  whatsgate: async (text) => {
    const body = { WhatsappID: session, recipient: { id: `${PEER}@c.us` }, message: { body: text } };
    return (await world.gateway.post('/api/v1/send', body)).result._id;
  },
  waha: async (text) => {
    const body = { session: `instance ${GATEWAY}`, chatId: `${PEER}@c.us`, text };
    return (await world.gateway.post('/api/sendText', body)).id.split('_')[2];
  },
  evolution: async (text) => {
    const path = `/message/sendText/${encodeURIComponent(`instance ${GATEWAY}`)}`;
    const { status, body } = await world.gateway.call('POST', path, { number: PEER, text }, { apikey: world.gateway.headers['x-api-key'] });
    assert.equal(status, 201, JSON.stringify(body));
    return body.key.id;
  },
};

for (const [dialect, send] of Object.entries(SENDS)) {
  test(`a text that is sent by ${dialect} reaches Baileys`, async () => {
    const id = await send(`by ${dialect}`);
    assert.equal((await peer.waitForText(`by ${dialect}`)).id, id);
  });
}

/** How each API's receivers read a call: the text of the message, if the call tells of one that came in. */
const READS = {
  'witi': ({ body }) => textOfSeed1(JSON.parse(body)),
  'witi-bulk': ({ body }) => textOfSeed1(unpacked(JSON.parse(behind(body, 'BULK,')))),
  'witi-bulkgz': ({ body }) => textOfSeed1(unpacked(JSON.parse(inflateSync(Buffer.from(behind(body, 'BULKGZ,'), 'base64'))))),
  'whatsgate': ({ body }) => {
    const { event_action: action, whatsapp_id: from, event_data: data } = JSON.parse(body);
    assert.equal(from, session);
    return action === 'message' && data.message.body;
  },
  'waha': ({ headers, body }) => {
    assert.equal(headers['x-webhook-hmac-algorithm'], 'sha512');
    assert.equal(headers['x-webhook-hmac'], createHmac('sha512', SECRET).update(body).digest('hex'));
    const { event, session: name, payload } = JSON.parse(body);
    assert.equal(name, `instance ${GATEWAY}`);
    return event === 'message' && payload.body;
  },
  'evolution': ({ body }) => {
    const { event, instance: name, data } = JSON.parse(body);
    assert.equal(name, `instance ${GATEWAY}`);
    return event === 'messages.upsert' && data.message.conversation;
  },
  'standard-webhooks': ({ headers, body }) => {
    const signed = `${headers['webhook-id']}.${headers['webhook-timestamp']}.${body}`;
    const expected = createHmac('sha256', Buffer.from(STANDARD_SECRET.slice(6), 'base64')).update(signed).digest('base64');
    assert.equal(headers['webhook-signature'], `v1,${expected}`);
    const { type, data } = JSON.parse(body);
    return type === 'message_received' && data.body;
  },
};

test('the answer of Baileys comes to the webhook of each, verified by its own rules', async () => {
  await peer.sendText(GATEWAY, 'an answer');
  await instance.waitForText('an answer');
  for (const [format, read] of Object.entries(READS)) {
    await until(`the call in ${format}`, () => receiver.calls(format).some((call) => read(call) === 'an answer'));
    for (const call of receiver.calls(format)) read(call);
  }
  assert.deepEqual(refused, []);
});

function textOfSeed1({ event, data }) {
  return event === 'message_received' && data.body;
}

/** The only event of a list of events in base64. */
function unpacked(list) {
  assert.equal(list.length, 1);
  return JSON.parse(Buffer.from(list[0], 'base64'));
}

function behind(body, word) {
  assert.ok(body.startsWith(word), body.slice(0, 20));
  return body.slice(word.length);
}

/** Takes calls, and confirms those of whatsgate as it wants them confirmed. */
class Receiver {
  static async listen() {
    const receiver = new Receiver();
    receiver.taken = [];
    receiver.server = createServer((request, response) => receiver.#receive(request, response));
    await new Promise((resolve) => receiver.server.listen(0, '127.0.0.1', resolve));
    receiver.url = `http://127.0.0.1:${receiver.server.address().port}`;
    return receiver;
  }

  calls(format) {
    return this.taken.filter((call) => call.path === `/${format}`);
  }

  close() {
    this.server.closeAllConnections();
    return new Promise((resolve) => this.server.close(resolve));
  }

  async #receive(request, response) {
    const chunks = [];
    for await (const chunk of request) chunks.push(chunk);
    const body = Buffer.concat(chunks).toString();
    this.taken.push({ path: request.url, headers: request.headers, body });
    const receipt = request.url === '/whatsgate' ? JSON.stringify({ result: 'OK', id: JSON.parse(body).id }) : '';
    response.writeHead(200, { 'content-type': 'application/json' }).end(receipt);
  }
}
