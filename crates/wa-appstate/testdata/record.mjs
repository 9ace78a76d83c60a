// Records patches that Baileys writes: see PROVENANCE.
import { createRequire } from 'node:module'
import * as wa from 'baileys'

const { proto, chatModificationToAppPatch, encodeSyncdPatch, newLTHashState } = wa
const KEY_ID = Buffer.from('000000000102', 'hex')
const KEY = { keyData: Buffer.alloc(32, 7) }
const TIME = 1800000000000
const CHAT = '15550000001@s.whatsapp.net'
const GROUP = '120363000000000001@g.us'
const last = {
	key: { remoteJid: GROUP, id: '3EB0AAAA', fromMe: false, participant: CHAT },
	messageTimestamp: 1700000000
}

const MODS = [
	[{ mute: 1900000000000 }, CHAT],
	[{ mute: null }, CHAT],
	[{ mute: -1 }, GROUP],
	[{ pin: true }, CHAT],
	[{ archive: true, lastMessages: [last] }, GROUP],
	[{ archive: false, lastMessages: [last] }, GROUP],
	[{ markRead: true, lastMessages: [last] }, GROUP],
	[{ deleteForMe: { deleteMedia: true, key: { id: '3EB0BBBB', fromMe: true }, timestamp: 1700000001 } }, CHAT],
	[{ delete: true, lastMessages: [last] }, GROUP],
	[{ clear: true, lastMessages: [last] }, GROUP],
	[{ contact: { fullName: 'Ana "Ä" \\ Sousa', firstName: 'Ana', lidJid: '100000000000001@lid' } }, CHAT],
	[{ contact: { fullName: 'Bo' } }, '15550000002@s.whatsapp.net'],
	[{ contact: null }, '15550000002@s.whatsapp.net'],
	[{ pushNameSetting: 'Ana' }, ''],
	[{ pushNameSetting: 'Ana S.' }, ''],
	[{ addLabel: { id: '3', name: 'New', color: 5, predefinedId: 1, deleted: false } }, ''],
	[{ addChatLabel: { labelId: '3' } }, CHAT],
	[{ removeChatLabel: { labelId: '3' } }, CHAT],
	[{ addMessageLabel: { labelId: '3', messageId: '3EB0CCCC' } }, CHAT],
	[{ quickReply: { timestamp: '1700000002', shortcut: 'hi', message: 'Hello\n"you"', deleted: false } }, '']
]

const states = {}
const patches = []
for (const [mod, jid] of MODS) {
	const create = chatModificationToAppPatch(mod, jid)
	create.syncAction.timestamp = TIME
	const before = states[create.type] ?? newLTHashState()
	const { patch, state } = await encodeSyncdPatch(create, KEY_ID.toString('base64'), before, async () => KEY)
	states[create.type] = state
	patches.push({
		collection: create.type,
		version: state.version,
		index: JSON.stringify(create.index),
		patch: Buffer.from(proto.SyncdPatch.encode(proto.SyncdPatch.fromObject(patch)).finish()).toString('hex'),
		hash: Buffer.from(state.hash).toString('hex')
	})
}
const version = createRequire(import.meta.url)('baileys/package.json').version
console.log(JSON.stringify({ baileys: version, key_id: KEY_ID.toString('hex'), key: KEY.keyData.toString('hex'), patches }, null, 1))
