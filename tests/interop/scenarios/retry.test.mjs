import { after, before, test } from 'node:test';
import assert from 'node:assert/strict';
import { World } from '../driver/world.mjs';

let world, gateway, peer;
const GATEWAY = '15550000021';
const PEER = '15550000022';

before(async () => {
  world = await World.start();
  gateway = await world.instance(GATEWAY);
  peer = await world.baileys(PEER);
  await gateway.send(PEER, 'hello');
  await peer.waitForText('hello');
  await peer.sendText(GATEWAY, 'hello back');
  await gateway.waitForText('hello back');
});
after(() => world.stop());

test('Baileys lost its session: its retry receipt brings the text under the same id', async () => {
  await peer.loseSessions();
  const id = await gateway.send(PEER, 'can you still read me');
  const message = await peer.waitForText('can you still read me', 60);
  assert.equal(message.id, id);
  assert.equal(peer.texts().filter((text) => text === 'can you still read me').length, 1);
});

test('and the conversation goes on both ways', async () => {
  await peer.sendText(GATEWAY, 'yes, and you');
  await gateway.waitForText('yes, and you', 60);
  await gateway.send(PEER, 'me too');
  await peer.waitForText('me too', 60);
  assert.equal(gateway.texts().filter((text) => text === 'yes, and you').length, 1);
});

test('a text that reaches us damaged is asked for again and arrives once', async () => {
  await world.simulator.post('/sim/faults', { kind: 'undecryptable', number: GATEWAY, count: 1 });
  const id = await peer.sendText(GATEWAY, 'damaged on the way');
  await gateway.waitForText('damaged on the way', 60);
  const events = gateway.events('message_received').filter((e) => e.data.messageId === id);
  assert.equal(events.length, 1);
});
