// Records conversations between this crate and npm libsignal 6.0.0 (and Baileys' group cipher).
// Run as told in PROVENANCE; prints the transcripts as JSON. Fails unless both sides read what the
// other wrote.
import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { createRequire } from 'node:module'
import assert from 'node:assert/strict'

const libsignal = createRequire(import.meta.url)('libsignal')
const group = await import('baileys/lib/Signal/Group/index.js')
for (const level of ['log', 'info', 'warn', 'error']) console[level] = () => {}

const hex = buffer => Buffer.from(buffer).toString('hex')
const unhex = text => Buffer.from(text, 'hex')

/// Our side: a process of this crate, and all that was said to it.
class Ours {
  constructor() {
    this.process = spawn(process.argv[2], { stdio: ['pipe', 'pipe', 'inherit'] })
    this.lines = createInterface({ input: this.process.stdout })[Symbol.asyncIterator]()
    this.transcript = []
  }
  async do(command) {
    this.process.stdin.write(JSON.stringify(command) + '\n')
    const answer = JSON.parse((await this.lines.next()).value)
    this.transcript.push({ command, answer })
    return answer
  }
  async encrypt(text) {
    return this.do({ do: 'encrypt', text: hex(Buffer.from(text)) })
  }
  /// Reads their message and expects `text`.
  async read(message, text) {
    const answer = await this.do({ do: 'decrypt', ...message })
    assert.deepEqual(answer, { text: hex(Buffer.from(text)) })
  }
  async refuse(message, pattern) {
    assert.match((await this.do({ do: 'decrypt', ...message })).error ?? '', pattern)
  }
  end() {
    this.process.stdin.end()
    return this.transcript
  }
}

/// Their side: libsignal with its storage in memory.
class Theirs {
  constructor() {
    this.identity = libsignal.keyhelper.generateIdentityKeyPair()
    this.signed = libsignal.keyhelper.generateSignedPreKey(this.identity, 9)
    this.preKeys = new Map([1, 2].map(id => [id, libsignal.keyhelper.generatePreKey(id)]))
    this.address = new libsignal.ProtocolAddress('ours', 0)
    this.cipher = new libsignal.SessionCipher(this.storage(), this.address)
  }
  storage() {
    return this.store ??= {
      loadSession: () => this.session,
      storeSession: (_, session) => { this.session = session },
      isTrustedIdentity: () => true,
      loadPreKey: id => this.preKeys.get(id)?.keyPair,
      removePreKey: id => this.preKeys.delete(id),
      loadSignedPreKey: id => (id === 9 ? this.signed.keyPair : undefined),
      getOurRegistrationId: () => 1234,
      getOurIdentity: () => this.identity
    }
  }
  bundle(withPreKey) {
    const preKey = withPreKey && this.preKeys.get(1)
    return {
      registrationId: 1234,
      identity: hex(this.identity.pubKey),
      signedPreKey: { id: 9, key: hex(this.signed.keyPair.pubKey), signature: hex(this.signed.signature) },
      ...(preKey && { preKey: { id: 1, key: hex(preKey.keyPair.pubKey) } })
    }
  }
  async initiate(published, preKey) {
    const { key, id, signature } = published.signedPreKey
    await new libsignal.SessionBuilder(this.storage(), this.address).initOutgoing({
      registrationId: published.registrationId,
      identityKey: unhex(published.identity),
      signedPreKey: { keyId: id, publicKey: unhex(key), signature: unhex(signature) },
      ...(preKey && { preKey: { keyId: preKey.id, publicKey: unhex(preKey.key) } })
    })
  }
  async encrypt(text) {
    const { type, body } = await this.cipher.encrypt(Buffer.from(text))
    return { kind: type === 3 ? 'pkmsg' : 'msg', bytes: hex(body) }
  }
  async read(message, text) {
    const bytes = unhex(message.bytes)
    const plain = message.kind === 'pkmsg'
      ? await this.cipher.decryptPreKeyWhisperMessage(bytes)
      : await this.cipher.decryptWhisperMessage(bytes)
    assert.equal(plain.toString(), text)
  }
  async refuse(message) {
    await assert.rejects(this.read(message, ''))
  }
}

async function write(from, count, prefix) {
  const messages = []
  for (let i = 0; i < count; i++) messages.push([await from.encrypt(`${prefix} ${i}`), `${prefix} ${i}`])
  return messages
}

/// Several turns, with messages late, skipped and repeated on both sides.
async function talk(ours, theirs) {
  const late = []
  for (let turn = 0; turn < 8; turn++) {
    const [a, b, c, d] = await write(ours, 4, `ours ${turn}`)
    assert.equal(a[0].kind, 'msg')
    for (const message of [b, a, d]) await theirs.read(...message)
    await theirs.refuse(a[0])
    late.push([theirs, ...c])
    const [e, f, g] = await write(theirs, 3, `theirs ${turn}`)
    for (const message of [g, e]) await ours.read(...message)
    await ours.refuse(e[0], /received before/)
    late.push([ours, ...f])
    if (turn === 4) await ours.do({ do: 'reload', lease: 0 })
  }
  // Five chains are kept: messages of the last turns still come through.
  for (const [reader, message, text] of late.slice(-8)) await reader.read(message, text)
}

async function theyStart(withPreKey) {
  const [ours, theirs] = [new Ours(), new Theirs()]
  const published = await ours.do({ do: 'publish' })
  await theirs.initiate(published, withPreKey && published.preKeys[1])
  const [a, b, c] = await write(theirs, 3, 'hello')
  assert.equal(a[0].kind, 'pkmsg')
  for (const message of [b, a, c]) await ours.read(...message)
  await ours.refuse(b[0], /received before/)
  await talk(ours, theirs)
  return ours.end()
}

async function weStart(withPreKey) {
  const [ours, theirs] = [new Ours(), new Theirs()]
  assert.equal(await ours.do({ do: 'initiate', ...theirs.bundle(withPreKey) }), null)
  const [a, b, c] = await write(ours, 3, 'hello')
  assert.equal(a[0].kind, 'pkmsg')
  for (const message of [c, a]) await theirs.read(...message)
  const answer = await theirs.encrypt('answer')
  assert.equal(answer.kind, 'msg')
  await ours.read(answer, 'answer')
  await theirs.read(...b)
  await talk(ours, theirs)
  return ours.end()
}

async function bothStart() {
  const [ours, theirs] = [new Ours(), new Theirs()]
  const published = await ours.do({ do: 'publish' })
  await ours.do({ do: 'initiate', ...theirs.bundle(true) })
  await theirs.initiate(published, published.preKeys[0])
  const ourHellos = await write(ours, 2, 'ours')
  const theirHellos = await write(theirs, 2, 'theirs')
  for (const message of theirHellos) await ours.read(...message)
  for (const message of ourHellos) await theirs.read(...message)
  // Each now sends with the other's session. Whoever is heard first settles it. Here they are,
  // because libsignal spoils a session by trying a message of another one on it.
  await ours.read(await theirs.encrypt('settled'), 'settled')
  await ours.do({ do: 'reload', lease: 0 })
  await talk(ours, theirs)
  return ours.end()
}

async function theyStartAnew() {
  const [ours, theirs] = [new Ours(), new Theirs()]
  const published = await ours.do({ do: 'publish' })
  await theirs.initiate(published, published.preKeys[0])
  const [first, second] = await write(theirs, 2, 'first session')
  await ours.read(...first)
  await theirs.initiate(published, published.preKeys[1])
  const [third, fourth] = await write(theirs, 2, 'second session')
  await ours.read(...third)
  await ours.read(...second)
  await ours.read(...fourth)
  await talk(ours, theirs)
  return ours.end()
}

async function weSkipALease() {
  const [ours, theirs] = [new Ours(), new Theirs()]
  await ours.do({ do: 'initiate', ...theirs.bundle(true) })
  for (let round = 0; round < 3; round++) {
    for (const message of await write(ours, 2, `round ${round}`)) await theirs.read(...message)
    await ours.do({ do: 'reload', lease: 64 })
  }
  await ours.read(await theirs.encrypt('answer'), 'answer')
  await ours.do({ do: 'reload', lease: 64 })
  await talk(ours, theirs)
  return ours.end()
}

/// Baileys' group cipher with its storage in memory.
class TheirGroup {
  constructor() {
    this.record = new group.SenderKeyRecord()
    const store = {
      loadSenderKey: async () => this.record,
      storeSenderKey: async (_, record) => { this.record = record }
    }
    this.name = { toString: () => 'group' }
    this.builder = new group.GroupSessionBuilder(store)
    this.cipher = new group.GroupCipher(store, this.name)
  }
}

async function theirSenderKey() {
  const [ours, theirs] = [new Ours(), new TheirGroup()]
  const read = async ([message, text]) =>
    assert.deepEqual(await ours.do({ do: 'decrypt from group', bytes: message }), { text: hex(Buffer.from(text)) })
  const send = async text => [hex(await theirs.cipher.encrypt(Buffer.from(text))), text]
  const refuse = async ([message], pattern) =>
    assert.match((await ours.do({ do: 'decrypt from group', bytes: message })).error ?? '', pattern)

  const distribution = await theirs.builder.create(theirs.name)
  const early = await send('before the key')
  await refuse(early, /unknown/)
  assert.equal(await ours.do({ do: 'process', bytes: hex(distribution.serialize()) }), null)
  await read(early)
  const [a, b, c, d] = [await send('a'), await send('b'), await send('c'), await send('d')]
  for (const message of [b, d, a]) await read(message)
  await refuse(b, /received before/)
  // Handed over again, at a later iteration: what we have stays.
  const again = await theirs.builder.create(theirs.name)
  assert.equal(await ours.do({ do: 'process', bytes: hex(again.serialize()) }), null)
  await ours.do({ do: 'reload', lease: 0 })
  await read(c)
  await refuse(a, /received before/)
  const changed = Buffer.from(unhex((await send('e'))[0]))
  changed[20] ^= 1
  await refuse([hex(changed)], /signature/)
  // A new key; messages of the old one may still be under way.
  const late = await send('late')
  theirs.record = new group.SenderKeyRecord()
  const renewed = await theirs.builder.create(theirs.name)
  await ours.do({ do: 'process', bytes: hex(renewed.serialize()) })
  await read(await send('with the new key'))
  await read(late)
  return ours.end()
}

async function ourSenderKey() {
  const [ours, theirs] = [new Ours(), new TheirGroup()]
  const send = async text =>
    [(await ours.do({ do: 'encrypt for group', text: hex(Buffer.from(text)) })).bytes, text]
  const read = async (to, [message, text]) =>
    assert.equal((await to.cipher.decrypt(unhex(message))).toString(), text)
  const hand = async to => {
    const { bytes } = await ours.do({ do: 'distribute' })
    await to.builder.process(to.name, new group.SenderKeyDistributionMessage(null, null, null, null, unhex(bytes)))
  }
  await ours.do({ do: 'create' })
  await hand(theirs)
  const [a, b, c] = [await send('a'), await send('b'), await send('c')]
  for (const message of [c, a, b]) await read(theirs, message)
  await ours.do({ do: 'reload', lease: 64 })
  const late = new TheirGroup()
  await hand(late)
  for (const text of ['d', 'e']) {
    const message = await send(text)
    await read(theirs, message)
    await read(late, message)
  }
  await assert.rejects(late.cipher.decrypt(unhex(c[0])))
  return ours.end()
}

const transcripts = {
  'they start': await theyStart(true),
  'they start without a prekey': await theyStart(false),
  'we start': await weStart(true),
  'we start without a prekey': await weStart(false),
  'both start': await bothStart(),
  'they start anew': await theyStartAnew(),
  'we skip a lease': await weSkipALease(),
  'their sender key': await theirSenderKey(),
  'our sender key': await ourSenderKey()
}
const entries = list => list.map(entry => '  ' + JSON.stringify(entry)).join(',\n')
const sections = Object.entries(transcripts).map(([name, list]) => ` ${JSON.stringify(name)}: [\n${entries(list)}\n ]`)
process.stdout.write(`{\n${sections.join(',\n')}\n}\n`)
