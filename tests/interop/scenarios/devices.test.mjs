import { after, before, test } from 'node:test';
import assert from 'node:assert/strict';
import { World } from '../driver/world.mjs';
import { until } from '../driver/until.mjs';

let world, gateway, first, second;
const GATEWAY = '15550000011';
const PEER = '15550000012';

before(async () => {
  world = await World.start();
  gateway = await world.instance(GATEWAY);
  first = await world.baileys(PEER);
  second = await world.baileys(PEER);
});
after(() => world.stop());

test('a text reaches both companions of the account and its phone', async () => {
  const id = await gateway.send(PEER, 'to all your devices');
  assert.equal((await first.waitForText('to all your devices')).id, id);
  assert.equal((await second.waitForText('to all your devices')).id, id);
  await until('the phone has it', async () => {
    const answer = await world.simulator.get(`/sim/phones/${PEER}/inbox`);
    const entries = Array.isArray(answer) ? answer : answer.messages;
    return entries.some((m) => m.id === id);
  });
});

test('what one companion sends is seen by the other as its own, and by us once', async () => {
  const id = await first.sendText(GATEWAY, 'from the first');
  await gateway.waitForText('from the first');
  const mirrored = await second.waitForText('from the first');
  assert.equal(mirrored.id, id);
  assert.equal(mirrored.fromMe, true);
  assert.equal(gateway.texts().filter((text) => text === 'from the first').length, 1);
});

test('a companion that is offline gets everything when it comes back, in order', async () => {
  await first.goOffline();
  const texts = Array.from({ length: 10 }, (_, n) => `while away ${n}`);
  for (const text of texts) await gateway.send(PEER, text);
  await second.waitForText(texts.at(-1));
  assert.ok(!first.texts().includes(texts[0]));
  first.connect();
  await first.opened();
  await first.waitForText(texts.at(-1));
  assert.deepEqual(first.texts().slice(-texts.length), texts);
});

test('a gateway that was down gets everything when it comes back', async () => {
  await world.gateway.stop();
  for (let n = 0; n < 5; n += 1) await second.sendText(GATEWAY, `to a stopped gateway ${n}`);
  await world.startGateway();
  await gateway.connected();
  await gateway.waitForText('to a stopped gateway 4');
  const texts = gateway.texts().filter((text) => text.startsWith('to a stopped gateway'));
  assert.deepEqual(texts, [0, 1, 2, 3, 4].map((n) => `to a stopped gateway ${n}`));
});
