import { after, before, test } from 'node:test';
import assert from 'node:assert/strict';
import { World } from '../driver/world.mjs';
import { until } from '../driver/until.mjs';

// The gateway and Baileys are two companions of one phone, and a third account is the one that is marked.
let world, gateway, baileys, other, message;
const OWN = '15550000051';
const OTHER = '15550000052';
const FAR = Date.UTC(2031, 0, 1);

before(async () => {
  world = await World.start();
  gateway = await world.instance(OWN);
  baileys = await world.baileys(OWN);
  // Phones of the hostile profile share the keys of the app state two minutes late. This one doesn't wait.
  for (const { id } of await world.simulator.get(`/sim/phones/${OWN}/devices`)) {
    await world.simulator.post(`/sim/phones/${OWN}/devices/${id}/share-keys`, {});
  }
  other = await world.baileys(OTHER);
  await other.sendText(OWN, 'to be marked');
  await gateway.waitForText('to be marked');
  await baileys.waitForText('to be marked');
  message = baileys.all.find((m) => m.message?.conversation === 'to be marked' || m.message?.extendedTextMessage?.text === 'to be marked');
});
after(() => world.stop());

/** What the gateway shows of the contact, once it is like that. */
function shown(what, wanted) {
  return until(`the gateway shows ${what}`, async () => {
    const path = `/api/instances/${gateway.id}/contacts/db?limit=1000`;
    const { contacts } = await world.gateway.get(path);
    return contacts.find((contact) => contact.number === OTHER && wanted(contact));
  });
}

/** An update of the chat that Baileys was told. */
function told(what, wanted) {
  return until(`Baileys is told ${what}`, () => baileys.chats.find(wanted));
}

/** What the phone has under this action. */
async function allOnThePhone(action) {
  const records = await world.simulator.get(`/sim/phones/${OWN}/app-state`);
  return records.filter((record) => record.index[0] === action).map((record) => record.said);
}

/** What the phone has under this action about the other account. */
async function onThePhone(action) {
  return (await allOnThePhone(action))[0];
}

async function mark(marks) {
  const { status, body } = await world.gateway.call('PUT', `/api/whatsapp/${gateway.id}/chats/${OTHER}`, marks);
  assert.equal(status, 200, JSON.stringify(body));
}

test('what Baileys marks a chat with, the gateway and the phone show', async () => {
  const chat = message.key.remoteJid;
  const last = [{ key: message.key, messageTimestamp: Number(message.messageTimestamp) }];
  await baileys.socket.chatModify({ pin: true }, chat);
  await shown('the pin', (contact) => contact.pinnedAt !== null);
  await baileys.socket.chatModify({ mute: FAR }, chat);
  await shown('the silence', (contact) => contact.mutedUntil !== null && Date.parse(contact.mutedUntil) === FAR);
  await baileys.socket.chatModify({ archive: true, lastMessages: last }, chat);
  await shown('that it is put away', (contact) => contact.archived);
  await baileys.socket.chatModify({ archive: false, lastMessages: last }, chat);
  await baileys.socket.chatModify({ pin: false }, chat);
  await baileys.socket.chatModify({ mute: null }, chat);
  await shown('no mark', (contact) => !contact.archived && contact.pinnedAt === null && contact.mutedUntil === null);
});

test('what the gateway marks a chat with, Baileys and the phone show', async () => {
  baileys.chats.length = 0;
  await mark({ pinned: true });
  await told('the pin', (chat) => chat.pinned);
  await mark({ mutedUntil: new Date(FAR).toISOString() });
  await told('the silence', (chat) => Number(chat.muteEndTime) === FAR);
  await mark({ archived: true });
  await told('that it is put away', (chat) => chat.archived === true);
  await mark({ archived: false, mutedUntil: null });
  await told('that it is back', (chat) => chat.archived === false);
  await told('that it is heard', (chat) => chat.muteEndTime === null);
});

test('a chat that the gateway pins is put away no more, and the other way round', async () => {
  await mark({ archived: true });
  await shown('that it is put away', (contact) => contact.archived && contact.pinnedAt === null);
  baileys.chats.length = 0;
  await mark({ pinned: true });
  await told('the pin', (chat) => chat.pinned);
  await told('that it is back', (chat) => chat.archived === false);
  await mark({ archived: true });
  await told('that it is put away', (chat) => chat.archived === true);
  await told('that it is pinned no more', (chat) => chat.pinned === null);
  await mark({ archived: false });
});

test('many marks at once are all taken, while Baileys marks, too', async () => {
  const numbers = [61, 62, 63, 64, 65].map((last) => `155500000${last}`);
  for (const number of numbers) await world.phone(number);
  let goesOn = true;
  const chat = message.key.remoteJid;
  // Baileys believes that what it writes is taken, and finds out by its next look: what comes of its marks is its own.
  const writing = (async () => {
    for (let pin = true; goesOn; pin = !pin) {
      await baileys.socket.chatModify({ pin }, chat).catch(() => {});
      // As fast as a person in a hurry, several times over.
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  })();
  for (const pinned of [true, false, true]) {
    const path = (number) => `/api/whatsapp/${gateway.id}/chats/${number}`;
    const answers = await Promise.all(numbers.map((number) => world.gateway.call('PUT', path(number), { pinned })));
    assert.deepEqual(answers.map(({ status }) => status), numbers.map(() => 200), JSON.stringify(answers));
  }
  goesOn = false;
  await writing;
  const pinned = (await allOnThePhone('pin_v1')).filter((said) => said.pinned);
  assert.ok(pinned.length >= numbers.length, JSON.stringify(pinned));
});

test('a contact that Baileys names, the gateway shows by that name', async () => {
  const contact = { fullName: 'Olga Ivanova', firstName: 'Olga', saveOnPrimaryAddressbook: true };
  await baileys.socket.addOrEditContact(`${OTHER}@s.whatsapp.net`, contact);
  await shown('the name', (shownContact) => shownContact.name === 'Olga Ivanova');
  assert.equal((await onThePhone('contact')).full_name, 'Olga Ivanova');
});

test('a contact that the gateway names, Baileys is told by that name', async () => {
  await gateway.call('contacts/add', { phone: OTHER, name: 'Olga Petrova' });
  await until('Baileys is told the name', () => baileys.contacts.some((contact) => contact.name === 'Olga Petrova'));
  assert.equal((await onThePhone('contact')).full_name, 'Olga Petrova');
});
