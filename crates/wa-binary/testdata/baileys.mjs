// Writes baileys.json: see PROVENANCE for how to run it. Every frame comes out of Baileys' own encoder, and
// what Baileys reads from the frames it cannot write comes out of its own decoder.
import { createRequire } from 'node:module'
import { deflateSync } from 'node:zlib'
import path from 'node:path'
import { pathToFileURL } from 'node:url'

const require = createRequire(path.join(process.cwd(), 'x.cjs'))
const lib = path.dirname(require.resolve('baileys/package.json'))
const load = file => import(pathToFileURL(path.join(lib, 'lib/WABinary', file)))
const { encodeBinaryNode } = await load('encode.js')
const { decodeBinaryNode } = await load('decode.js')

// --- how nodes are described: n(tag, {attributes}, content); jid('…') marks attributes that are JID tokens
const jid = text => ({ jid: text })
const bytes = hex => ({ bytes: hex })
const repeatBytes = (hex, times) => ({ bytes: hex, times })
const text = value => ({ text: value })
const repeatText = (value, times) => ({ text: value, times })
const n = (tag, attrs = {}, content = undefined) => ({ tag, attrs, content })
const repeatNode = (node, times) => ({ node, times })

const toBaileys = ({ tag, attrs, content }) => ({
	tag,
	attrs: Object.fromEntries(Object.entries(attrs).map(([name, value]) => [name, value.jid ?? value])),
	content: contentToBaileys(content)
})
const contentToBaileys = content => {
	if (content === undefined) return undefined
	if (Array.isArray(content)) return content.map(toBaileys)
	if (content.node) return Array(content.times).fill(toBaileys(content.node))
	if (content.bytes !== undefined) return Buffer.from(content.bytes.repeat(content.times ?? 1), 'hex')
	return content.text.repeat(content.times ?? 1)
}

// --- frames as [hex, times] runs, so that a megabyte stays one line
const runs = (frame, period) => {
	if (frame.length < 600) return [[frame.toString('hex'), 1]]
	for (let start = 0; start < 64; start++) {
		const unit = frame.subarray(start, start + period)
		let times = 1
		while (frame.subarray(start + times * period, start + (times + 1) * period).equals(unit)) times++
		if (times * period < frame.length - 64) continue
		const tail = frame.subarray(start + times * period)
		return [[frame.subarray(0, start).toString('hex'), 1], [unit.toString('hex'), times], [tail.toString('hex'), 1]]
	}
	return [[frame.toString('hex'), 1]]
}

const digits = '0123456789-.'
const hexadecimal = '0123456789ABCDEF'
const cycle = (alphabet, length, from = 0) =>
	Array.from({ length }, (_, at) => alphabet[(at + from) % alphabet.length]).join('')
const attributes = count => Object.fromEntries(Array.from({ length: count }, (_, at) => [`name${at}`, `value ${at}`]))
const b32 = '0102030405060708091011121314151617181920212223242526272829303132'

// [name, node, period of the repetition in the frame]
const written = [
	['tag only', n('count')],
	['tag of two bytes', n('read-self')],
	['tag without token', n('no-such-token')],
	['stream end', n('xmlstreamend')],
	['single token as value', n('iq', { type: 'get', xmlns: 'encrypt' })],
	['first and last token of each dictionary', n('x', { a: 'read-self', b: 'mute_v2', c: 'reject', d: 'u_aud_limit_sil_restarts_test1', e: '64', f: '1537', g: '1724', h: '1961' })],
	['digits that are tokens', n('x', { a: '0', b: '1', c: '2', d: '5', e: '404', f: '1000' })],
	['nibble, one character', n('x', { a: '7', b: '-', c: '.' })],
	['nibble, even', n('x', { id: '15550000001234' })],
	['nibble, odd', n('x', { id: '155500000012345' })],
	['nibble, dots and dashes', n('iq', { id: '12345.6789-10' })],
	['nibble, every character', n('x', { id: digits })],
	['nibble, 126', n('x', { id: cycle(digits, 126) })],
	['nibble, 127', n('x', { id: cycle(digits, 127, 5) })],
	['digits, 128: too long to pack', n('x', { id: cycle(digits, 128) })],
	['hex, even', n('message', { id: '3EB0ABCDEF0123456789AB' })],
	['hex, odd', n('message', { id: '3EB0AAAABCF' })],
	['hex, one character', n('x', { a: 'A', b: 'F' })],
	['hex, every character', n('x', { id: hexadecimal })],
	['hex, 126', n('x', { id: cycle(hexadecimal, 126, 9) })],
	['hex, 127', n('x', { id: cycle(hexadecimal, 127, 9) })],
	['hex, 128: too long to pack', n('x', { id: cycle(hexadecimal, 128) })],
	['hex, odd, ends in F', n('x', { id: '00F' })],
	['lower-case hex is not packed', n('x', { id: '3eb0abcdef' })],
	['hex with a dash is not packed', n('x', { id: 'ABC-1' })],
	['other text', n('presence', { name: 'Zoë 🙂 <&>' })],
	['text of 255 bytes', n('x', { a: 'z'.repeat(255) })],
	['text of 256 bytes', n('x', { a: 'z'.repeat(256) })],
	['bytes, none', n('enc', {}, bytes(''))],
	['bytes, 1', n('enc', { v: '2', type: 'msg' }, bytes('ff'))],
	['bytes that look like a token', n('value', {}, bytes('03'))],
	['bytes, 255', n('enc', {}, repeatBytes('ab', 255))],
	['bytes, 256', n('enc', {}, repeatBytes('ab', 256))],
	['bytes, 65536', n('enc', {}, repeatBytes('ab', 65536)), 1],
	['bytes, 2^20 - 1', n('enc', {}, repeatBytes('ab', 2 ** 20 - 1)), 1],
	['bytes, 2^20', n('enc', {}, repeatBytes('ab', 2 ** 20)), 1],
	['text content, token', n('mode', {}, text('result'))],
	['text content, nibble', n('contact', {}, text('15550000001'))],
	['text content, hex', n('contact', {}, text('ABCDEF'))],
	['text content, other', n('contact', {}, text('+15550000001'))],
	['text content, 2^20 - 1', n('x', {}, repeatText('q', 2 ** 20 - 1)), 1],
	['text content, 2^20', n('x', {}, repeatText('q', 2 ** 20)), 1],
	['children, none', n('list', {}, [])],
	['children, 1', n('list', {}, [n('item', { id: '1' })])],
	['children, 255', n('list', {}, repeatNode(n('item', { id: '15550000001' }), 255)), 12],
	['children, 256', n('list', {}, repeatNode(n('item', { id: '15550000001' }), 256)), 12],
	['children, 65535', n('list', {}, repeatNode(n('item'), 65535)), 3],
	['attributes, 127', n('x', attributes(127))],
	['attributes, 127 and content', n('x', attributes(127), bytes('00'))],
	['nested', n('a', {}, [n('b', {}, [n('c', {}, [n('d', {}, [n('e', {}, bytes('01'))])]), n('f')])])],
	['jid, phone number', n('to', { jid: jid('15550000001@s.whatsapp.net') })],
	['jid, phone number with device', n('to', { jid: jid('15550000001:2@s.whatsapp.net') })],
	['jid, device 255', n('to', { jid: jid('15550000001:255@s.whatsapp.net') })],
	['jid, lid', n('to', { jid: jid('100000000000001@lid') })],
	['jid, lid with device', n('to', { jid: jid('100000000000001:99@lid') })],
	['jid, hosted', n('to', { jid: jid('15550000001:99@hosted') })],
	['jid, hosted lid', n('to', { jid: jid('100000000000001:99@hosted.lid') })],
	['jid, group', n('to', { jid: jid('120363000000000000@g.us') })],
	['jid, old group', n('to', { jid: jid('15550000001-1400000000@g.us') })],
	['jid, legacy', n('to', { jid: jid('15550000001@c.us') })],
	['jid, announcements', n('to', { jid: jid('0@s.whatsapp.net') })],
	['jid, status', n('to', { jid: jid('status@broadcast') })],
	['jid, broadcast list', n('to', { jid: jid('1400000000@broadcast') })],
	['jid, newsletter', n('to', { jid: jid('120363000000000001@newsletter') })],
	['jid, bot', n('to', { jid: jid('867051314767696@bot') })],
	['jid, server', n('iq', { to: jid('@s.whatsapp.net') })],
	['jid, group server', n('iq', { to: jid('@g.us') })],
	['jid, user of letters', n('to', { jid: jid('Alice@lid') })],
	['jid, user in hex', n('to', { jid: jid('ABCDEF:1@lid') })],
	['direct message', n('message', { id: '3EB0ABCDEF0123456789AB', to: jid('100000000000002@lid'), type: 'text' }, [
		n('participants', {}, [
			n('to', { jid: jid('100000000000002@lid') }, [n('enc', { v: '2', type: 'pkmsg' }, repeatBytes('33', 180))]),
			n('to', { jid: jid('100000000000001:3@lid') }, [n('enc', { v: '2', type: 'msg' }, repeatBytes('33', 90))])
		]),
		n('device-identity', {}, repeatBytes('0a', 140))
	])],
	['receipt', n('receipt', { id: '3EB0ABCDEF0123456789AB', to: jid('15550000001@s.whatsapp.net'), type: 'read' }, [
		n('list', {}, [n('item', { id: '3EB0ABCDEF0123456789AC' })])
	])],
	['prekey upload', n('iq', { xmlns: 'encrypt', type: 'set', to: jid('@s.whatsapp.net'), id: '12345.6789-4' }, [
		n('registration', {}, bytes('00003039')),
		n('type', {}, bytes('05')),
		n('identity', {}, bytes(b32)),
		n('list', {}, repeatNode(n('key', {}, [n('id', {}, bytes('000001')), n('value', {}, bytes(b32))]), 5)),
		n('skey', {}, [n('id', {}, bytes('000001')), n('value', {}, bytes(b32)), n('signature', {}, repeatBytes('5a', 64))])
	])],
	['usync', n('iq', { to: jid('@s.whatsapp.net'), type: 'get', xmlns: 'usync', id: '12345.6789-5' }, [
		n('usync', { context: 'message', mode: 'query', sid: '12345.6789-6', last: 'true', index: '0' }, [
			n('query', {}, [n('devices', { version: '2' }), n('lid')]),
			n('list', {}, [n('user', { jid: jid('15550000001@s.whatsapp.net') })])
		])
	])]
]

// What Baileys writes but this crate writes differently; both ways must be read as `node` says.
const readOnly = [
	['device 0 said aloud', n('to', { jid: '15550000001:0@s.whatsapp.net' }), n('to', { jid: jid('15550000001@s.whatsapp.net') })],
	['hosted without device', n('to', { jid: '15550000001@hosted' }), n('to', { jid: jid('15550000001@hosted') })],
	['messenger as pair', n('to', { jid: '1000@msgr' }), n('to', { jid: jid('1000@msgr') })],
	['empty attribute', n('x', { a: '', b: '1' }), n('x', { a: '', b: '1' })],
	['name with an at sign', n('presence', { name: 'me@home' }), n('presence', { name: 'me@home' })],
	['server that is unknown', n('call', { from: 'AbCd@call' }), n('call', { from: 'AbCd@call' })],
	['text content with an at sign', n('body', {}, text('me@home')), n('body', {}, text('me@home'))],
	['text content that is a JID', n('body', {}, text('15550000001:2@s.whatsapp.net')), n('body', {}, text('15550000001:2@s.whatsapp.net'))]
]

// Frames that Baileys cannot write (flag byte first), with what it reads from them.
const compressed = Buffer.concat([Buffer.from([2]), deflateSync(encodeBinaryNode(toBaileys(written.at(-1)[1])).subarray(1))])
const handMade = [
	['messenger JID', '00f803110cf6edc0012ccc'],
	['interop JID', '00f803110cf5edc000030004fc07696e7465726f70'],
	['AD JID of domain 0 without device', '00f803110cf70000ff8615550000001f'],
	['agent without domain', '00f803110cf70702ff8615550000001f'],
	['JID pair with LIST_EMPTY user', '00f803110cfa0003'],
	['JID pair with empty binary user', '00f803110cfafc0003'],
	['LIST_16 where LIST_8 would do', '00f9000311 0cff0112'.replace(' ', '')],
	['BINARY_20 where BINARY_8 would do', '00f8021dfd00000141'],
	['BINARY_32 where BINARY_8 would do', '00f8021dfe0000000141'],
	['BINARY_20 with high bits set', '00f8021dfdf0000141'],
	['tag and value as plain binary', '00f803fc026971fc026964fc0131'],
	['token that a longer form could say', '00f803130cfc0b3135353530303030303031'],
	['empty packed string', '00f803130cff00'],
	['value LIST_EMPTY', '00f803130c00'],
	['unknown flag bit', '01f80113'],
	['compressed', compressed.toString('hex')]
]

// Attributes as pairs: readers of JSON may not keep the order of an object.
const inOrder = node => node.tag === undefined ? node : {
	...node,
	attrs: Object.entries(node.attrs),
	content: Array.isArray(node.content) ? node.content.map(inOrder)
		: node.content?.node ? { ...node.content, node: inOrder(node.content.node) } : node.content
}
const out = { written: [], readOnly: [], handMade: [] }
for (const [name, node, period] of written) {
	out.written.push({ name, node: inOrder(node), frame: runs(encodeBinaryNode(toBaileys(node)), period ?? 1) })
}
for (const [name, source, node] of readOnly) {
	out.readOnly.push({ name, node: inOrder(node), frame: runs(encodeBinaryNode(toBaileys(source)), 1) })
}
const plain = node => ({
	tag: node.tag,
	attrs: node.attrs,
	content: Array.isArray(node.content)
		? node.content.map(plain)
		: Buffer.isBuffer(node.content) ? { bytes: node.content.toString('hex') }
		: node.content === undefined ? undefined : { text: node.content }
})
for (const [name, frame] of handMade) {
	const node = await decodeBinaryNode(Buffer.from(frame, 'hex'))
	out.handMade.push({ name, frame: [[frame, 1]], node: inOrder(plain(node)) })
}
const lines = list => '[\n' + list.map(entry => '    ' + JSON.stringify(entry)).join(',\n') + '\n  ]'
process.stdout.write('{\n' + Object.entries(out).map(([key, list]) => `  "${key}": ${lines(list)}`).join(',\n') + '\n}\n')
