import { after, before, test } from 'node:test';
import assert from 'node:assert/strict';
import { World } from '../driver/world.mjs';

let world, gateway, peer;
const GATEWAY = '15550000071';
const PEER = '15550000072';
const COUNT = 500;
// What waits comes on request there, and Baileys asks once, for a hundred.
const MOST_FOR_BAILEYS = process.env.SIMULATOR_PROFILE === 'hostile' ? 100 : COUNT;

before(async () => {
  world = await World.start();
  gateway = await world.instance(GATEWAY);
  peer = await world.baileys(PEER);
  await peer.sendText(GATEWAY, 'hello');
  await gateway.waitForText('hello');
  await gateway.send(PEER, 'hello back');
  await peer.waitForText('hello back');
});
after(() => world.stop());

test('500 texts wait for a gateway that was down, and come once each and in order', async () => {
  const texts = Array.from({ length: COUNT }, (_, n) => `to a stopped gateway ${n}`);
  await world.gateway.stop();
  for (const text of texts) await peer.sendText(GATEWAY, text);
  await world.startGateway();
  await gateway.connected();
  await gateway.waitForText(texts.at(-1), 120);
  assert.deepEqual(gateway.texts().filter((text) => text?.startsWith('to a stopped gateway')), texts);
});

test(`${MOST_FOR_BAILEYS} texts wait for a Baileys that was offline, and come once each and in order`, async () => {
  const texts = Array.from({ length: MOST_FOR_BAILEYS }, (_, n) => `while away ${n}`);
  await peer.goOffline();
  for (const text of texts) await gateway.send(PEER, text);
  peer.connect();
  await peer.opened();
  await peer.waitForText(texts.at(-1), 120);
  assert.deepEqual(peer.texts().filter((text) => text.startsWith('while away')), texts);
});
