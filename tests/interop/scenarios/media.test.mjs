import { after, before, test } from 'node:test';
import assert from 'node:assert/strict';
import { World } from '../driver/world.mjs';
import { until } from '../driver/until.mjs';
import { refused } from '../driver/loopback.mjs';
import { film, paper, picture, sha256, sticker, voice } from '../driver/files.mjs';

let world, gateway, peer;
const GATEWAY = '15550000001';
const PEER = '15550000002';

before(async () => {
  // Baileys speaks to media hosts by TLS only. Files are fetched when somebody asks, so that one can be lost before.
  world = await World.start({ tls: true, gateway: { MEDIA_DOWNLOAD: 'demand' } });
  gateway = await world.instance(GATEWAY);
  peer = await world.baileys(PEER);
});
after(() => world.stop());

const KINDS = {
  image: { bytes: picture, name: 'a.png', content: { caption: 'look', jpegThumbnail: Buffer.from('ffd8ffd9', 'hex').toString('base64') }, field: 'image' },
  video: { bytes: film, name: 'a.mp4', content: { seconds: 3, jpegThumbnail: Buffer.from('ffd8ffd9', 'hex').toString('base64') }, field: 'video' },
  voice: { bytes: voice, name: 'a.ogg', content: { ptt: true, seconds: 2, mimetype: 'audio/ogg; codecs=opus' }, field: 'audio' },
  document: { bytes: paper, name: 'ä b.pdf', content: { mimetype: 'application/pdf', fileName: 'ä b.pdf' }, field: 'document' },
  sticker: { bytes: sticker, name: 'a.webp', content: {}, field: 'sticker' },
};

for (const [type, kind] of Object.entries(KINDS)) {
  test(`${type}: what the gateway sends, Baileys and the phone have`, async () => {
    const bytes = kind.bytes();
    const id = await gateway.sendFile(PEER, bytes, { type, name: kind.name });
    const message = await peer.waitForFile(id);
    assert.equal(sha256(await peer.download(message)), sha256(bytes));
    const shown = await shownBy(PEER, id);
    assert.deepEqual([shown.sha256, shown.size], [sha256(bytes), bytes.length]);
    if (type === 'document') assert.equal(shown.fileName, kind.name);
  });

  test(`${type}: what Baileys sends, the gateway and the phone have`, async () => {
    const bytes = kind.bytes();
    const id = await peer.send(GATEWAY, { [kind.field]: bytes, ...kind.content });
    const told = await until(`message_received of ${id}`, () =>
      gateway.events('message_received').find((e) => e.data.messageId === id),
    );
    assert.equal(told.data.media.state, 'pending');
    const had = await gateway.file(id);
    assert.equal(sha256(had.bytes), sha256(bytes));
    assert.equal((await shownBy(GATEWAY, id)).sha256, sha256(bytes));
    await until(`message_media of ${id}`, () =>
      gateway.events('message_media').some((e) => e.data.messageId === id && e.data.media.state === 'ready'),
    );
  });
}

test('a file that the media host has forgotten is uploaded again by the own phone, for the gateway', async () => {
  const bytes = paper();
  const id = await peer.send(GATEWAY, { document: bytes, mimetype: 'application/pdf', fileName: 'late.pdf' });
  await shownBy(GATEWAY, id);
  const { struck } = await world.simulator.post('/sim/faults', { kind: 'expire_media' });
  assert.ok(struck >= 1);
  const { bytes: had } = await gateway.file(id);
  assert.equal(sha256(had), sha256(bytes));
});

test('a file that the media host has forgotten is uploaded again by the own phone, for Baileys', async () => {
  const bytes = picture();
  const id = await gateway.sendFile(PEER, bytes, { type: 'image', name: 'late.png' });
  const message = await peer.waitForFile(id);
  await shownBy(PEER, id);
  await world.simulator.post('/sim/faults', { kind: 'expire_media' });
  await assert.rejects(peer.download(message));
  const again = await peer.askForUpload(message);
  assert.equal(sha256(await peer.download(again)), sha256(bytes));
});

test('nothing left loopback', () => {
  assert.deepEqual(world.webhooks.refused, []);
  assert.deepEqual(refused, []);
});

/** What the phone shows of a message with a file, once it has downloaded and verified it. */
function shownBy(number, id) {
  return until(`file of ${id} on the phone ${number}`, async () => {
    const answer = await world.simulator.get(`/sim/phones/${number}/inbox`);
    const entries = Array.isArray(answer) ? answer : answer.messages;
    const media = entries.find((m) => m.id === id)?.media;
    if (media?.error) throw new Error(`the phone refuses the file: ${media.error}`);
    return media;
  });
}
