// Encodes sample messages with Baileys' own WAProto and writes them as JSON: name -> hex.
// npm install --ignore-scripts baileys@7.0.0-rc14 && node proto-vectors.mjs > baileys.json
import { proto } from 'baileys'

const b = (n, byte) => Buffer.alloc(n, byte)
const enc = (type, value) => Buffer.from(type.encode(type.fromObject(value)).finish()).toString('hex')
const { Message } = proto
const key = { remoteJid: '100000000000001@lid', fromMe: true, id: '3EB0AAAA' }

const vectors = {
  client_hello: enc(proto.HandshakeMessage, { clientHello: { ephemeral: b(32, 1) } }),
  client_finish: enc(proto.HandshakeMessage, { clientFinish: { static: b(48, 2), payload: b(3, 3) } }),
  certificate_details: enc(proto.CertChain.NoiseCertificate.Details,
    { serial: 7, issuerSerial: 0, key: b(32, 4), notBefore: 1700000000, notAfter: 1800000000 }),
  registration: enc(proto.ClientPayload, {
    passive: false, pull: false, connectType: 1, connectReason: 1,
    userAgent: {
      platform: 14, releaseChannel: 0, appVersion: { primary: 2, secondary: 3000, tertiary: 1045649367 }, mcc: '000', mnc: '000',
      osVersion: '0.1', manufacturer: '', device: 'Desktop', osBuildNumber: '0.1',
      localeLanguageIso6391: 'en', localeCountryIso31661Alpha2: 'US'
    },
    webInfo: { webSubPlatform: 0 },
    devicePairingData: {
      eRegid: Buffer.from([0, 0, 4, 210]), eKeytype: Buffer.from([5]), eIdent: b(32, 5), eSkeyId: Buffer.from([0, 0, 1]),
      eSkeyVal: b(32, 6), eSkeySig: b(64, 7), buildHash: b(16, 8), deviceProps: b(2, 9)
    }
  }),
  login: enc(proto.ClientPayload, { username: 15550000001, passive: true, device: 3, lc: 1, pull: true, lidDbMigrated: true, sessionId: -2 }),
  device_props: enc(proto.DeviceProps, {
    os: 'Mac OS', version: { primary: 10, secondary: 15, tertiary: 7 }, platformType: 1, requireFullSync: false,
    historySyncConfig: { storageQuotaMb: 10240, inlineInitialPayloadInE2EeMsg: true, supportGroupHistory: true, thumbnailSyncDaysLimit: 60 }
  }),
  adv_hmac: enc(proto.ADVSignedDeviceIdentityHMAC, { details: b(4, 10), hmac: b(32, 11), accountType: 0 }),
  adv_device: enc(proto.ADVDeviceIdentity, { rawId: 12, timestamp: 1700000000, keyIndex: 0, accountType: 0, deviceType: 1 }),
  adv_key_indexes: enc(proto.ADVKeyIndexList, { rawId: 12, timestamp: 1700000000, currentIndex: 3, validIndexes: [0, 1, 3] }),
  text: enc(Message, { conversation: 'héllo' }),
  quoting_text: enc(Message, {
    extendedTextMessage: {
      text: '@15550000002 yes', backgroundArgb: 4278190335,
      contextInfo: { stanzaId: '3EB0BBBB', participant: '15550000001@s.whatsapp.net', quotedMessage: { conversation: 'well?' },
        mentionedJid: ['15550000002@s.whatsapp.net'], expiration: 0, ephemeralSettingTimestamp: 1700000000 }
    },
    messageContextInfo: { messageSecret: b(32, 12) }
  }),
  sent_from_another_device: enc(Message, {
    deviceSentMessage: { destinationJid: '15550000001@s.whatsapp.net', message: { conversation: 'x' } },
    messageContextInfo: { deviceListMetadata: { senderKeyHash: b(8, 13), senderTimestamp: 1700000000, recipientKeyIndexes: [1, 2] }, deviceListMetadataVersion: 2 }
  }),
  revoke: enc(Message, { protocolMessage: { key, type: 0 } }),
  edit: enc(Message, { editedMessage: { message: { protocolMessage: { key, type: 14, editedMessage: { conversation: 'new' }, timestampMs: 1700000000123 } } } }),
  reaction_removed: enc(Message, { reactionMessage: { key, text: '', senderTimestampMs: 1700000000123 } }),
  key_share: enc(Message, { protocolMessage: { type: 6, appStateSyncKeyShare: { keys: [{ keyId: { keyId: b(6, 14) },
    keyData: { keyData: b(32, 15), fingerprint: { rawId: 12, currentIndex: 3, deviceIndexes: [0, 1] }, timestamp: 1700000000123 } }] } } }),
  history_notification: enc(Message, { protocolMessage: { type: 5, historySyncNotification: { syncType: 0, chunkOrder: 1, progress: 100,
    initialHistBootstrapInlinePayload: b(5, 16) } } }),
  history_on_demand: enc(Message, { protocolMessage: { type: 16, peerDataOperationRequestMessage: { peerDataOperationRequestType: 3,
    historySyncOnDemandRequest: { chatJid: '100000000000001@lid', oldestMsgId: 'A', oldestMsgFromMe: false, onDemandMsgCount: 50, oldestMsgTimestampMs: 1700000000000 } } } }),
  placeholder_answer: enc(Message, { protocolMessage: { type: 17, peerDataOperationRequestResponseMessage: { peerDataOperationRequestType: 4, stanzaId: 'B',
    peerDataOperationResult: [{ placeholderMessageResendResponse: { webMessageInfoBytes: b(4, 17) } }] } } }),
  image: enc(Message, { imageMessage: { url: 'https://127.0.0.1/x', mimetype: 'image/jpeg', caption: 'c', fileSha256: b(32, 18), fileLength: 123456, height: 480,
    width: 640, mediaKey: b(32, 19), fileEncSha256: b(32, 20), directPath: '/v/x?y', mediaKeyTimestamp: 1700000000, jpegThumbnail: b(3, 21), viewOnce: true } }),
  voice: enc(Message, { audioMessage: { mimetype: 'audio/ogg; codecs=opus', seconds: 0, ptt: true, mediaKey: b(32, 22), waveform: b(64, 23) } }),
  location: enc(Message, { locationMessage: { degreesLatitude: 52.52, degreesLongitude: -13.4, name: 'here', speedInMps: 1.5 } }),
  poll: enc(Message, { pollCreationMessageV3: { name: 'when?', options: [{ optionName: 'now' }, { optionName: 'later' }], selectableOptionsCount: 0 } }),
  sender_key: enc(Message, { senderKeyDistributionMessage: { groupId: '120363000000000001@g.us', axolotlSenderKeyDistributionMessage: b(5, 24) } }),
  buttons: enc(Message, { buttonsMessage: { text: 'head', contentText: 'body', buttons: [{ buttonId: '1', buttonText: { displayText: 'ok' }, type: 1 }], headerType: 2 } }),
  history: enc(proto.HistorySync, { syncType: 0, conversations: [{ id: '100000000000001@lid', messages: [{ message: { key, message: { conversation: 'old' },
    messageTimestamp: 1700000000, status: 4 }, msgOrderId: 9 }], unreadCount: 0, pnJid: '15550000001@s.whatsapp.net' }],
    pushnames: [{ id: '15550000001@s.whatsapp.net', pushname: 'Bob' }], phoneNumberToLidMappings: [{ pnJid: '15550000001@s.whatsapp.net', lidJid: '100000000000001@lid' }] }),
  patch: enc(proto.SyncdPatch, { version: { version: 1 }, mutations: [{ operation: 0, record: { index: { blob: b(32, 25) }, value: { blob: b(80, 26) }, keyId: { id: b(6, 27) } } }],
    snapshotMac: b(32, 28), patchMac: b(32, 29), keyId: { id: b(6, 27) }, deviceIndex: 0 }),
  mute: enc(proto.SyncActionData, { index: Buffer.from('["mute","15550000001@s.whatsapp.net"]'), value: { timestamp: 1700000000123,
    muteAction: { muted: true, muteEndTimestamp: -1 } }, padding: Buffer.alloc(0), version: 2 })
}
process.stdout.write(JSON.stringify(vectors, null, 1) + '\n')
process.exit(0)
