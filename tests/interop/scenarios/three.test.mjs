import { after, before, describe, test } from 'node:test';
import assert from 'node:assert/strict';
import { World } from '../driver/world.mjs';
import { until } from '../driver/until.mjs';

// Groups of three, whose members are named by number, and by LID: the gateway and two of Baileys.
let world, gateway, peer, third;
const GATEWAY = '15550000081';
const PEER = '15550000082';
const THIRD = '15550000083';

before(async () => {
  world = await World.start();
  gateway = await world.instance(GATEWAY);
  peer = await world.baileys(PEER);
  third = await world.baileys(THIRD);
});
after(() => world.stop());

for (const addressing of ['pn', 'lid']) {
  describe(`a group whose members are named by ${addressing}`, () => {
    let group;

    before(async () => {
      const body = { creator: PEER, subject: `Three by ${addressing}`, members: [GATEWAY, THIRD], addressing };
      group = (await world.simulator.post('/sim/groups', body)).id;
    });

    test('each reads what each of the others writes', async () => {
      const [ours, theirs, last] = ['ours', 'of the peer', 'of the third'].map((text) => `${text} by ${addressing}`);
      await gateway.send(group, ours);
      await Promise.all([peer.waitForText(ours), third.waitForText(ours)]);
      await peer.sendText(group, theirs);
      await Promise.all([gateway.waitForText(theirs), third.waitForText(theirs)]);
      await third.sendText(group, last);
      await Promise.all([gateway.waitForText(last), peer.waitForText(last)]);
      const { data } = gateway.events('message_received').find((e) => e.data.body === last);
      assert.equal(data.remoteJid, group);
      assert.match(data.participant ?? data.from, new RegExp(`^${THIRD}@`));
    });

    test('a member that lost its keys has the text and the key sent again', async () => {
      third.loseSenderKeys();
      const text = `to who lost the keys by ${addressing}`;
      const id = await gateway.send(group, text);
      assert.equal((await third.waitForText(text, 60)).id, id);
      await peer.waitForText(text);
      assert.equal(peer.texts().filter((other) => other === text).length, 1);
    });

    test('the gateway lost a message of Baileys: it asks again, and has it once', async () => {
      await world.simulator.post('/sim/faults', { kind: 'undecryptable', number: GATEWAY, count: 1 });
      const text = `damaged in the group by ${addressing}`;
      const id = await peer.sendText(group, text);
      await gateway.waitForText(text, 60);
      assert.equal(gateway.events('message_received').filter((e) => e.data.messageId === id).length, 1);
    });

    test('a member leaves: the gateway takes another key, which the one who left never sees', async () => {
      const ofUs = (companion) =>
        [...companion.senderKeyIds()].filter(([name]) => name.startsWith(`${group}::`)).flatMap(([, ids]) => ids);
      const before = new Set(ofUs(peer));
      await third.socket.groupLeave(group);
      const text = `without the third by ${addressing}`;
      await gateway.send(group, text);
      await peer.waitForText(text, 60);
      const fresh = ofUs(peer).filter((id) => !before.has(id));
      assert.ok(fresh.length >= 1, 'another key has come');
      await peer.sendText(group, `indeed by ${addressing}`);
      await gateway.waitForText(`indeed by ${addressing}`, 60);
      assert.ok(!third.texts().includes(text));
      assert.ok(!ofUs(third).some((id) => fresh.includes(id)));
    });

    test('the phones read what the companions did', async () => {
      const inbox = () => world.simulator.get(`/sim/phones/${PEER}/inbox`);
      await until('the phone of the peer has it', async () =>
        (await inbox()).some((m) => m.chat === group && m.text === `without the third by ${addressing}`),
      );
    });
  });
}
