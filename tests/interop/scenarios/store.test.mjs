import { after, before, test } from 'node:test';
import assert from 'node:assert/strict';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import S3rver from 's3rver';
import { World } from '../driver/world.mjs';
import { until } from '../driver/until.mjs';
import { paper, sha256 } from '../driver/files.mjs';

// A store of somebody else. Of signatures it looks at the form alone: crates/bucket has AWS's examples of them.
const BUCKET = 'files';
const GATEWAY = '15550000001';
const PEER = '15550000002';
let world, gateway, folder, store, port;

async function startStore() {
  const options = { address: '127.0.0.1', port: port ?? 0, silent: true, directory: folder };
  store = new S3rver({ ...options, configureBuckets: [{ name: BUCKET }] });
  ({ port } = await store.run());
}

/** Where the files are that the bucket has. */
async function stored() {
  const entries = await readdir(join(folder, BUCKET), { recursive: true });
  return entries.filter((name) => name.endsWith('._S3rver_object'));
}

async function send(text) {
  const bytes = Buffer.concat([paper(), Buffer.from(text)]);
  return { bytes, id: await gateway.sendFile(PEER, bytes, { type: 'document', name: 'a.pdf' }) };
}

async function assertHad({ id, bytes }) {
  assert.equal(sha256((await gateway.file(id)).bytes), sha256(bytes));
}

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'trunkline-store-'));
  await startStore();
  world = await World.start({
    gateway: {
      MEDIA_STORE: `s3://${BUCKET}/trunkline`,
      S3_ENDPOINT: `http://127.0.0.1:${port}`,
      S3_ACCESS_KEY_ID: 'S3RVER',
      S3_SECRET_ACCESS_KEY: 'S3RVER',
    },
  });
  gateway = await world.instance(GATEWAY);
  await world.phone(PEER);
});
after(async () => {
  await world?.stop();
  await store?.close().catch(() => {});
  await rm(folder, { recursive: true, force: true });
});

test('files go to the bucket and are read from there; while it is down nothing waits for it', async () => {
  const first = await send('one');
  await until('the first file is in the bucket', async () => (await stored()).length === 1);
  await assertHad(first);

  await store.close();
  const second = await send('two');
  await assertHad(second);
  assert.equal((await stored()).length, 1);

  await startStore();
  await until('the second file is in the bucket', async () => (await stored()).length === 2, 60);
  await assertHad(first);
  await assertHad(second);

  // And all of it goes with the instance.
  await world.gateway.call('DELETE', `/api/instances/${gateway.id}`);
  await until('the bucket is empty', async () => (await stored()).length === 0);
});
