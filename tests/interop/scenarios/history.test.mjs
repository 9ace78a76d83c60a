import { after, before, test } from 'node:test';
import assert from 'node:assert/strict';
import { World } from '../driver/world.mjs';
import { until } from '../driver/until.mjs';

let world, first, peer;
const OWN = '15550000061';
const PEER = '15550000062';
const texts = Array.from({ length: 8 }, (_, n) => `before it was linked ${n}`);

before(async () => {
  world = await World.start();
  await world.phone(OWN);
  first = await world.instance(OWN);
  peer = await world.baileys(PEER);
  // Some from each side, and the phone has all of them.
  for (const [n, text] of texts.entries()) {
    if (n % 2 === 0) {
      await peer.sendText(OWN, text);
      await first.waitForText(text);
    } else {
      await first.send(PEER, text);
      await peer.waitForText(text);
    }
  }
  await until('the phone has all', async () => {
    const inbox = await world.simulator.get(`/sim/phones/${OWN}/inbox`);
    return texts.every((text) => inbox.some((m) => m.text === text));
  });
});
after(() => world.stop());

test('Baileys, linked later, is told what was written before', async () => {
  const late = await world.baileys(OWN);
  await until('the history', () => texts.every((text) => late.history.some((m) => said(m) === text)), 60);
  for (const [n, text] of texts.entries()) {
    const [found] = late.history.filter((m) => said(m) === text);
    assert.equal(Boolean(found.key.fromMe), n % 2 === 1, text);
  }
});

test('the gateway, linked later, lists what was written before, and tells of none of it', async () => {
  const late = await world.instance(OWN);
  await until('the history', async () => {
    const { messages } = await world.gateway.get(`/api/instances/${late.id}/chats/${PEER}/messages?limit=100`);
    const found = texts.map((text) => messages.find((m) => m.content === text));
    if (!found.every(Boolean)) return false;
    for (const [n, message] of found.entries()) {
      assert.equal(message.fromMe, n % 2 === 1, message.content);
      assert.equal(message.history, true);
    }
    return true;
  }, 60);
  assert.ok(!late.texts().some((text) => texts.includes(text)));
  await peer.sendText(OWN, 'and what comes after it is told');
  await late.waitForText('and what comes after it is told');
});

function said(message) {
  return message.message?.conversation ?? message.message?.extendedTextMessage?.text;
}
