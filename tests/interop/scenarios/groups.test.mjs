import { after, before, test } from 'node:test';
import assert from 'node:assert/strict';
import { World } from '../driver/world.mjs';
import { until } from '../driver/until.mjs';

let world, gateway, peer, group;
const GATEWAY = '15550000031';
const PEER = '15550000032';
const THIRD = '15550000033';

before(async () => {
  world = await World.start();
  gateway = await world.instance(GATEWAY);
  peer = await world.baileys(PEER);
  await world.phone(THIRD);
  group = await peer.createGroup('Tea', [GATEWAY, THIRD]);
});
after(() => world.stop());

/** What a phone has read in the group. */
async function shown(number) {
  const inbox = await world.simulator.get(`/sim/phones/${number}/inbox`);
  return inbox.filter((m) => m.chat === group).map((m) => m.text);
}

test('texts go both ways in a group that Baileys made', async () => {
  await peer.sendText(group, 'who is there');
  await gateway.waitForText('who is there');
  const [told] = gateway.events('message_received').filter((e) => e.data.body === 'who is there');
  assert.equal(told.data.remoteJid, group);
  assert.match(told.data.participant ?? told.data.from, new RegExp(`^${PEER}@`));
  const id = await gateway.send(group, 'we are');
  const message = await peer.waitForText('we are');
  assert.equal(message.id, id);
  assert.equal(message.key.remoteJid, group);
  await until('the third has both', async () => (await shown(THIRD)).length === 2);
});

test('twenty texts each way arrive once each and in order', async () => {
  const there = Array.from({ length: 20 }, (_, n) => `there ${n}`);
  const back = Array.from({ length: 20 }, (_, n) => `back ${n}`);
  const sendThere = (async () => {
    for (const text of there) await gateway.send(group, text);
  })();
  for (const text of back) await peer.sendText(group, text);
  await sendThere;
  await peer.waitForText(there.at(-1), 60);
  await gateway.waitForText(back.at(-1), 60);
  assert.deepEqual(peer.texts().filter((text) => text.startsWith('there')), there);
  assert.deepEqual(gateway.texts().filter((text) => text.startsWith('back')), back);
});

test('Baileys lost the keys of the group: its retry receipt brings text and key', async () => {
  peer.loseSenderKeys();
  const id = await gateway.send(group, 'can you still read me');
  const message = await peer.waitForText('can you still read me', 60);
  assert.equal(message.id, id);
  await gateway.send(group, 'and now');
  await peer.waitForText('and now', 60);
});

test('whoever has left reads nothing more, and the others go on', async () => {
  await world.simulator.post(`/sim/groups/${group}`, { by: THIRD, change: 'leave' });
  const before = (await shown(THIRD)).length;
  await gateway.send(group, 'without the third');
  await peer.waitForText('without the third', 60);
  await peer.sendText(group, 'indeed');
  await gateway.waitForText('indeed', 60);
  assert.equal((await shown(THIRD)).length, before);
});
