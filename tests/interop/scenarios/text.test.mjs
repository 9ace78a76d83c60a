import { after, before, test } from 'node:test';
import assert from 'node:assert/strict';
import { World } from '../driver/world.mjs';
import { until } from '../driver/until.mjs';
import { checked } from '../driver/strict.mjs';
import { refused } from '../driver/loopback.mjs';

let world, gateway, peer;
const GATEWAY = '15550000001';
const PEER = '15550000002';

before(async () => {
  world = await World.start();
  gateway = await world.instance(GATEWAY);
  peer = await world.baileys(PEER);
});
after(() => world.stop());

test('Baileys pairs by QR with the simulator, with its signature checks on', () => {
  assert.equal(peer.state, 'open');
  assert.match(peer.auth.state.creds.me.id, new RegExp(`^${PEER}:[0-9]+@s\\.whatsapp\\.net$`));
  assert.match(peer.auth.state.creds.me.lid, /^[0-9]+:[0-9]+@lid$/);
  assert.ok(checked.signatures >= 3, `certificate and account signatures verified: ${checked.signatures}`);
});

test('50 texts each way, interleaved, arrive once each and in order', async () => {
  const there = Array.from({ length: 50 }, (_, n) => `there ${n} ✓`);
  const back = Array.from({ length: 50 }, (_, n) => `back ${n} ✓`);
  const sendThere = (async () => {
    for (const text of there) await gateway.send(PEER, text);
  })();
  const sendBack = (async () => {
    for (const text of back) await peer.sendText(GATEWAY, text);
  })();
  await Promise.all([sendThere, sendBack]);
  await peer.waitForText(there.at(-1), 60);
  await gateway.waitForText(back.at(-1), 60);
  assert.deepEqual(peer.texts(), there);
  assert.deepEqual(gateway.texts(), back);
});

test('delivery and read receipts of Baileys become message_status', async () => {
  const id = await gateway.send(PEER, 'please read');
  const message = await peer.waitForText('please read');
  assert.equal(message.id, id);
  await gateway.waitForStatus(id, 'delivered');
  await peer.read(message);
  await gateway.waitForStatus(id, 'read');
});

test('the owner phones saw both sides of the conversation', async () => {
  const inbox = await until('own phone has our texts', async () => {
    const answer = await world.simulator.get(`/sim/phones/${GATEWAY}/inbox`);
    const entries = Array.isArray(answer) ? answer : answer.messages;
    return entries.filter((m) => m.fromMe).length >= 51 && entries;
  });
  assert.equal(new Set(inbox.map((m) => `${m.from} ${m.id}`)).size, inbox.length, 'each message is shown once');
});

test('every webhook carried a valid signature, and nothing left loopback', () => {
  assert.deepEqual(world.webhooks.refused, []);
  assert.deepEqual(refused, []);
});
