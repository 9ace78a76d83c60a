import { after, before, test } from 'node:test';
import assert from 'node:assert/strict';
import { World } from '../driver/world.mjs';
import { until } from '../driver/until.mjs';

const { decryptPollVote } = await import('baileys');

let world, gateway, peer;
const GATEWAY = '15550000041';
const PEER = '15550000042';

before(async () => {
  world = await World.start();
  gateway = await world.instance(GATEWAY);
  peer = await world.baileys(PEER);
});
after(() => world.stop());

/** A message as Baileys was told it. */
function arrived(id, seconds = 30) {
  return until(`${id} at Baileys`, () => peer.all.find((m) => m.key.id === id), seconds);
}

/** What the gateway tells of a message. */
function told(id) {
  return gateway.told('message_received', (data) => data.messageId === id);
}

test('texts with a quote and a mention go both ways', async () => {
  const first = await peer.say(GATEWAY, { text: 'tea?' });
  await told(first.key.id);
  const mentions = [PEER];
  const { id } = await gateway.call('send', { phone: PEER, message: `yes @${PEER}`, quotedMessageId: first.key.id, mentions });
  const { contextInfo } = (await arrived(id)).message.extendedTextMessage;
  assert.equal(contextInfo.stanzaId, first.key.id);
  assert.equal(contextInfo.mentionedJid.length, 1);
  assert.equal(contextInfo.quotedMessage.conversation ?? contextInfo.quotedMessage.extendedTextMessage?.text, 'tea?');
  const quoted = await arrived(id);
  const back = await peer.say(GATEWAY, { text: 'good', mentions: [`${GATEWAY}@s.whatsapp.net`] }, { quoted });
  const { data } = await told(back.key.id);
  assert.equal(data.quotedMessageId, id);
  assert.deepEqual(data.mentions, [`${GATEWAY}@s.whatsapp.net`]);
});

test('reactions, edits and revocations go both ways', async () => {
  const theirs = await peer.say(GATEWAY, { text: 'theirs' });
  await told(theirs.key.id);
  const reaction = await arrived((await gateway.call('react', { phone: PEER, messageId: theirs.key.id, emoji: '👍' })).id);
  assert.equal(reaction.message.reactionMessage.text, '👍');
  assert.equal(reaction.message.reactionMessage.key.id, theirs.key.id);
  const ours = await gateway.send(PEER, 'ours');
  const key = (await arrived(ours)).key;
  const changed = (wanted) => until('an update', () => peer.updates.find((u) => u.key.id === ours && wanted(u.update)));
  await gateway.call('edit', { phone: PEER, messageId: ours, message: 'edited' });
  const { update } = await changed((it) => it.message?.editedMessage);
  const edited = update.message.editedMessage.message;
  assert.equal(edited.conversation ?? edited.extendedTextMessage?.text, 'edited');
  const react = await peer.say(GATEWAY, { react: { text: '🙂', key } });
  const { data } = await told(react.key.id);
  assert.deepEqual([data.type, data.body, data.targetMessageId], ['reaction', '🙂', ours]);
  await gateway.call('revoke', { phone: PEER, messageId: ours });
  await changed((it) => it.message === null);
  const edit = await peer.say(GATEWAY, { text: 'theirs, better', edit: theirs.key });
  const edition = (await told(edit.key.id)).data;
  assert.deepEqual([edition.type, edition.body, edition.targetMessageId], ['edit', 'theirs, better', theirs.key.id]);
  const gone = (await told((await peer.say(GATEWAY, { delete: theirs.key })).key.id)).data;
  assert.deepEqual([gone.type, gone.targetMessageId], ['revoke', theirs.key.id]);
});

test('polls go both ways, and Baileys opens our vote', async () => {
  const values = ['green', 'black'];
  const { id } = await gateway.call('send-poll', { phone: PEER, question: 'Tea?', options: values, choices: 1 });
  const { message } = await arrived(id);
  const poll = message.pollCreationMessage ?? message.pollCreationMessageV2 ?? message.pollCreationMessageV3;
  assert.deepEqual(poll.options.map((option) => option.optionName), values);
  assert.equal(message.messageContextInfo.messageSecret.length, 32);
  const made = await peer.say(GATEWAY, { poll: { name: 'Milk?', values: ['yes', 'no'], selectableCount: 1 } });
  const { data } = await told(made.key.id);
  assert.deepEqual([data.type, data.body, data.poll.options], ['poll', 'Milk?', ['yes', 'no']]);
  const vote = await arrived((await gateway.call('vote', { phone: PEER, messageId: made.key.id, options: ['no'] })).id);
  const { pollCreationMessageKey, vote: sealed } = vote.message.pollUpdateMessage;
  assert.equal(pollCreationMessageKey.id, made.key.id);
  const me = peer.auth.state.creds.me;
  const names = (jids) => jids.filter(Boolean).map((jid) => jid.replace(/:[0-9]+@/, '@'));
  const opened = [];
  for (const pollCreatorJid of names([me.id, me.lid])) {
    for (const voterJid of names([vote.key.remoteJid, vote.key.remoteJidAlt])) {
      const pollEncKey = made.message.messageContextInfo.messageSecret;
      const context = { pollEncKey, pollCreatorJid, pollMsgId: made.key.id, voterJid };
      try {
        opened.push(decryptPollVote(sealed, context));
      } catch {
        // Not the names under which it was sealed.
      }
    }
  }
  assert.equal(opened.length, 1);
  const { createHash } = await import('node:crypto');
  const no = createHash('sha256').update('no').digest('hex');
  assert.deepEqual(opened[0].selectedOptions.map((option) => Buffer.from(option).toString('hex')), [no]);
});

test('places and contacts go both ways', async () => {
  const place = { latitude: 52.5, longitude: 13.4, name: 'Here' };
  const location = await arrived((await gateway.call('send-location', { phone: PEER, ...place })).id);
  assert.equal(location.message.locationMessage.degreesLatitude, 52.5);
  const contacts = [{ name: 'Carol', number: '15550000043' }];
  const card = await arrived((await gateway.call('send-contacts', { phone: PEER, contacts })).id);
  assert.equal(card.message.contactMessage.displayName, 'Carol');
  const back = await peer.say(GATEWAY, { location: { degreesLatitude: 1.5, degreesLongitude: 2.5 } });
  const { data } = await told(back.key.id);
  assert.deepEqual([data.type, data.location.latitude, data.location.longitude], ['location', 1.5, 2.5]);
});

test('presence, typing and read receipts are shown on both sides', async () => {
  const own = `${GATEWAY}@s.whatsapp.net`;
  await gateway.call('presence', { available: true });
  await peer.socket.sendPresenceUpdate('available');
  await gateway.call('presence/subscribe', { phone: PEER });
  await gateway.told('presence_updated', (data) => data.available && data.remoteJid.startsWith(PEER));
  await peer.socket.presenceSubscribe(own);
  const shows = (state) => () =>
    peer.presences.some((p) => Object.values(p.presences).some((it) => it.lastKnownPresence === state));
  await until('Baileys sees the gateway', shows('available'));
  await gateway.call('typing', { phone: PEER });
  await until('Baileys sees it type', shows('composing'));
  await peer.socket.sendPresenceUpdate('recording', own);
  await gateway.told('chat_state', (data) => data.state === 'recording' && data.remoteJid.startsWith(PEER));
  const sent = await peer.say(GATEWAY, { text: 'read me' });
  await told(sent.key.id);
  await gateway.call('read', { phone: PEER, messageIds: [sent.key.id] });
  // 4 is READ.
  await until('the receipt', () => peer.updates.some((u) => u.key.id === sent.key.id && u.update.status === 4));
});
