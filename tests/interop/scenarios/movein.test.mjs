import { after, before, describe, test } from 'node:test';
import assert from 'node:assert/strict';
import { mkdtemp, readFile, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { World } from '../driver/world.mjs';
import { run } from '../driver/process.mjs';
import { until } from '../driver/until.mjs';

// A Baileys that has talked with two others, one of them of the gateway, is stopped, and the gateway goes on in its place.
const PEER = '15550000092';
const FRIEND = '15550000093';
let world, peer, friend;

before(async () => {
  world = await World.start();
  friend = await world.instance(FRIEND);
  peer = await world.baileys(PEER);
});
after(() => world.stop());

/** A Baileys with a past: texts each way with both others, alone and in a group, and some that wait for it. */
async function past(number, folder) {
  const old = await world.baileys(number, { folder });
  const group = await old.createGroup('Moving', [PEER, FRIEND]);
  for (const to of [PEER, FRIEND, group]) await old.sendText(to, `old to ${to}`);
  await Promise.all([`old to ${PEER}`, `old to ${group}`].map((text) => peer.waitForText(text)));
  await Promise.all([`old to ${FRIEND}`, `old to ${group}`].map((text) => friend.waitForText(text)));
  const answers = [];
  for (const to of [number, group]) {
    await peer.sendText(to, `peer to ${to}`);
    await friend.send(to, `friend to ${to}`);
    answers.push(`peer to ${to}`, `friend to ${to}`);
  }
  for (const text of answers) await old.waitForText(text);
  await old.goOffline();
  await peer.sendText(number, `waiting for ${number}`);
  await peer.sendText(group, `waiting in ${group}`);
  return { old, group };
}

/** The ids of what a device of this account has asked for again, or was asked for. */
async function askedAgain(number) {
  const trace = await world.simulator.call('GET', `/sim/trace?number=${number}`, undefined, { accept: 'application/json' });
  const retries = trace.body.filter(({ xml }) => /<(receipt|ack)[^>]* type="retry"/.test(xml));
  return new Set(retries.map(({ xml }) => xml.match(/ id="([^"]+)"/)[1]));
}

/**
 * Both sides go on in the sessions that there were: nothing is asked for again. The server of the hostile profile brings at each
 * login what was acknowledged last once more: Baileys has had that, and the gateway hasn't, and asks for it.
 */
async function goesOnInItsSessions(number, before) {
  const asked = [...(await askedAgain(number))].filter((id) => !before.has(id));
  assert.ok(asked.length <= (process.env.SIMULATOR_PROFILE === 'hostile' ? 1 : 0), `asked again: ${asked}`);
}

/** Everybody writes, and everybody reads it. */
async function talksOn(instance, group) {
  const { number } = instance;
  await until('what has waited', async () => {
    const lists = await Promise.all(
      [PEER, group].map((chat) => world.gateway.get(`/api/instances/${instance.id}/chats/${chat}/messages?limit=50`)),
    );
    const texts = lists.flatMap(({ messages }) => messages.map((m) => m.content));
    return [`waiting for ${number}`, `waiting in ${group}`].every((text) => texts.includes(text));
  });
  for (const to of [PEER, FRIEND, group]) await instance.send(to, `new to ${to}`);
  await Promise.all([`new to ${PEER}`, `new to ${group}`].map((text) => peer.waitForText(text)));
  await Promise.all([`new to ${FRIEND}`, `new to ${group}`].map((text) => friend.waitForText(text)));
  for (const to of [number, group]) {
    await peer.sendText(to, `peer again to ${to}`);
    await friend.send(to, `friend again to ${to}`);
    for (const who of ['peer', 'friend']) await instance.waitForText(`${who} again to ${to}`);
  }
}

describe('by the command', () => {
  const number = '15550000091';
  let folder, group, instance;

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'trunkline-baileys-'));
    ({ group } = await past(number, folder));
  });
  after(() => rm(folder, { recursive: true, force: true }));

  test('a dry run tells what there is, and stores nothing', async () => {
    const args = ['import', folder, '--user', 'admin@interop.test', '--dry-run'];
    const { code, output } = await run(args, { DATA_DIR: world.folder });
    assert.equal(code, 0, output);
    assert.match(output, /must be stopped/);
    assert.match(output, new RegExp(`account +${number}@s.whatsapp.net`));
    assert.match(output, /left out +0\n/);
    assert.match(output, /dry run/);
  });

  test('nothing is stored while a gateway runs, or nobody says that the old side is stopped', async () => {
    const args = ['import', folder, '--user', 'admin@interop.test'];
    const silent = await run(args, { DATA_DIR: world.folder });
    assert.equal(silent.code, 1, silent.output);
    assert.match(silent.output, /--old-side-stopped/);
    const running = await run([...args, '--old-side-stopped'], { DATA_DIR: world.folder });
    assert.equal(running.code, 1, running.output);
    assert.match(running.output, /a gateway runs/);
  });

  test('the gateway goes on in the place of Baileys, without a scan', async () => {
    const before = await askedAgain(number);
    await world.gateway.stop();
    const args = ['import', folder, '--user', 'admin@interop.test', '--name', 'moved', '--old-side-stopped'];
    const { code, output } = await run(args, { DATA_DIR: world.folder });
    assert.equal(code, 0, output);
    const id = output.match(/The instance (\S+) /)[1];
    await world.startGateway();
    await friend.connected();
    instance = await world.known(id, number);
    await instance.connected();
    await talksOn(instance, group);
    await goesOnInItsSessions(number, before);
  });

  test('the phone lists the one device that it has linked, and no other', async () => {
    const devices = await world.simulator.get(`/sim/phones/${number}/devices`);
    assert.equal(devices.length, 1);
    assert.equal(devices[0].connected, true);
  });
});

describe('by the API', () => {
  const number = '15550000094';
  let folder, group, store;

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'trunkline-baileys-'));
    ({ group } = await past(number, folder));
    // As an adapter that keeps each file as a text under its name.
    store = {};
    for (const name of await readdir(folder)) store[name] = await readFile(join(folder, name), 'utf8');
  });
  after(() => rm(folder, { recursive: true, force: true }));

  test('an instance goes on in the place of Baileys, and only once', async () => {
    const instance = await world.unlinked(number);
    const path = `/api/instances/${instance.id}/import`;
    const unsaid = await world.gateway.call('POST', path, { baileys: store, oldSideStopped: false });
    assert.equal(unsaid.status, 400, JSON.stringify(unsaid));
    const dry = await world.gateway.call('POST', path, { baileys: store, oldSideStopped: false, dryRun: true });
    assert.equal(dry.status, 200, JSON.stringify(dry));
    assert.deepEqual([dry.body.jid, dry.body.leftOut], [`${number}@s.whatsapp.net`, []]);
    assert.ok(dry.body.sessions >= 4 && dry.body.senderKeys >= 3 && dry.body.prekeys > 0, JSON.stringify(dry.body));
    const before = await askedAgain(number);
    const taken = await world.gateway.call('POST', path, { baileys: store, oldSideStopped: true });
    assert.equal(taken.status, 200, JSON.stringify(taken));
    await instance.connected();
    const again = await world.gateway.call('POST', path, { baileys: store, oldSideStopped: true });
    assert.deepEqual([again.status, again.body.error.cause], [409, 'already_linked']);
    await talksOn(instance, group);
    await goesOnInItsSessions(number, before);
  });
});
