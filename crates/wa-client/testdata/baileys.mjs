// What Baileys makes of made-up keys where it pairs, and what nobody but the owner of the keys could sign, as JSON.
// PROVENANCE beside this file says how to run it.
import { createHash } from 'node:crypto'
import { createRequire } from 'node:module'
import { proto } from 'baileys'
import { configureSuccessfulPairing } from 'baileys/lib/Utils/validate-connection.js'
import { aesEncryptCTR, aesEncryptGCM, Curve, derivePairingCodeKey, hkdf, hmacSign } from 'baileys/lib/Utils/crypto.js'
import { unpadRandomMax16 } from 'baileys/lib/Utils/generics.js'
import {
  WA_ADV_ACCOUNT_SIG_PREFIX, WA_ADV_DEVICE_SIG_PREFIX, WA_ADV_HOSTED_ACCOUNT_SIG_PREFIX, WA_ADV_HOSTED_DEVICE_SIG_PREFIX,
} from 'baileys/lib/Defaults/index.js'

const require = createRequire(import.meta.url)
const curve = createRequire(require.resolve('libsignal/src/curve'))('curve25519-js')

const hex = (bytes) => Buffer.from(bytes).toString('hex')
const chain = (label) => createHash('sha256').update(label).digest()
const encode = (type, value) => Buffer.from(type.encode(type.fromObject(value)).finish())
const pair = (label) => {
  const keys = curve.generateKeyPair(chain(label))
  return { private: Buffer.from(keys.private), public: Buffer.from(keys.public) }
}
// XEdDSA with the random bytes given, as libsignal signs.
const sign = (keys, parts, label) => Buffer.from(curve.sign(keys.private, Buffer.concat(parts), createHash('sha512').update(label).digest()))

const account = pair('account'), companion = pair('companion'), cloud = pair('cloud')
const secret = chain('adv secret')

/** A pair-success of the account for the companion, and Baileys' answer to it. */
function pairing(accountType, deviceType) {
  const details = encode(proto.ADVDeviceIdentity, { rawId: 12, timestamp: 1700000000, keyIndex: 7, accountType, deviceType })
  const prefix = deviceType ? WA_ADV_HOSTED_ACCOUNT_SIG_PREFIX : WA_ADV_ACCOUNT_SIG_PREFIX
  const accountSignature = sign(account, [prefix, details, companion.public], `account signs ${deviceType}`)
  const signed = encode(proto.ADVSignedDeviceIdentity, { details, accountSignatureKey: account.public, accountSignature })
  const hmac = hmacSign(Buffer.concat([accountType ? WA_ADV_HOSTED_ACCOUNT_SIG_PREFIX : Buffer.alloc(0), signed]), secret)
  const container = encode(proto.ADVSignedDeviceIdentityHMAC, { details: signed, hmac, accountType })
  const stanza = { tag: 'iq', attrs: { id: '1' }, content: [{ tag: 'pair-success', attrs: {}, content: [
    { tag: 'device-identity', attrs: {}, content: container },
    { tag: 'device', attrs: { jid: '15550000001:7@s.whatsapp.net', lid: '100000000000001:7@lid' } },
  ] }] }
  const { reply } = configureSuccessfulPairing(stanza, {
    advSecretKey: secret.toString('base64'), signedIdentityKey: companion, signalIdentities: [],
  })
  const answer = reply.content[0].content[0]
  return { accountType, deviceType, container: hex(container), keyIndex: Number(answer.attrs['key-index']), answer: hex(answer.content) }
}

/** The identity of the account's device in Meta's cloud. */
function hosted() {
  const details = encode(proto.ADVDeviceIdentity, { rawId: 12, timestamp: 1700000000, keyIndex: 0, accountType: 1, deviceType: 1 })
  return hex(encode(proto.ADVSignedDeviceIdentity, {
    details,
    accountSignatureKey: account.public,
    accountSignature: sign(account, [WA_ADV_HOSTED_ACCOUNT_SIG_PREFIX, details, cloud.public], 'account signs the cloud'),
    deviceSignature: sign(cloud, [WA_ADV_HOSTED_DEVICE_SIG_PREFIX, details, cloud.public, account.public], 'cloud signs'),
  }))
}

/** What both sides make of a code: the same calls that Baileys makes while it links. */
async function linkCode() {
  const code = 'ABCD1234', salt = chain('code salt'), iv = chain('code iv').subarray(0, 16)
  const ephemeral = pair('companion ephemeral'), primary = pair('primary ephemeral'), phone = pair('phone')
  const key = await derivePairingCodeKey(code, salt)
  const wrap = (keys) => Buffer.concat([salt, iv, aesEncryptCTR(keys.public, key, iv)])
  const shared = Curve.sharedKey(ephemeral.private, primary.public)
  const identities = Curve.sharedKey(companion.private, phone.public)
  const random = chain('random'), bundleSalt = chain('bundle salt'), nonce = chain('nonce').subarray(0, 12)
  const bundleKey = hkdf(shared, 32, { salt: bundleSalt, info: 'link_code_pairing_key_bundle_encryption_key' })
  const sealed = aesEncryptGCM(Buffer.concat([companion.public, phone.public, random]), bundleKey, nonce, Buffer.alloc(0))
  return {
    code, salt: hex(salt), iv: hex(iv), ephemeral: hex(ephemeral.private), phone: hex(phone.public),
    wrappedCompanion: hex(wrap(ephemeral)), wrappedPrimary: hex(wrap(primary)),
    random: hex(random), bundleSalt: hex(bundleSalt), nonce: hex(nonce),
    bundle: hex(Buffer.concat([bundleSalt, nonce, sealed])),
    advSecret: hex(hkdf(Buffer.concat([shared, identities, random]), 32, { info: 'adv_secret' })),
  }
}

const padded = [1, 2, 15, 16].map((n) => Buffer.concat([Buffer.from('text'), Buffer.alloc(n, n)]))
console.log(JSON.stringify({
  keys: { account: hex(account.public), companion: hex(companion.private), cloud: hex(cloud.public), secret: hex(secret) },
  pairings: [pairing(0, 0), pairing(1, 0), pairing(1, 1)],
  hosted: hosted(),
  linkCode: await linkCode(),
  padding: padded.map((bytes) => ({ padded: hex(bytes), plain: hex(unpadRandomMax16(bytes)) })),
}, null, 1))
