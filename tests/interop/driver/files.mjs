// Small files that are what they say, each with bytes of its own, and what their hashes are.
import { createHash, randomBytes } from 'node:crypto';

export const sha256 = (bytes) => createHash('sha256').update(bytes).digest('hex');

/** A PNG of one pixel, with something behind its end that makes it unlike every other. */
export const picture = () =>
  Buffer.concat([
    Buffer.from(
      'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==',
      'base64',
    ),
    randomBytes(3000),
  ]);

/** The boxes that an MP4 begins with, and data. */
export const film = () =>
  Buffer.concat([Buffer.from('00000018667479706d703432000000006d70343269736f6d', 'hex'), box('mdat', randomBytes(70_000))]);

/** A page of text that says it is a PDF. */
export const paper = () => Buffer.concat([Buffer.from('%PDF-1.4\n'), randomBytes(200_000)]);

/** A WebP of one pixel, lossless. */
export const sticker = () => {
  const image = Buffer.from('2f0000000007d0ffffffff0100', 'hex'); // an odd length is padded
  const chunk = Buffer.concat([Buffer.from('VP8L'), u32(image.length), image, Buffer.alloc(image.length % 2)]);
  const own = randomBytes(500);
  const rest = Buffer.concat([Buffer.from('WEBP'), chunk, Buffer.from('OWN '), u32(own.length), own]);
  return Buffer.concat([Buffer.from('RIFF'), u32(rest.length), rest]);
};

/** Ogg with Opus that says it lasts two seconds (RFC 7845). */
export const voice = () => {
  const head = Buffer.concat([Buffer.from('OpusHead'), Buffer.from([1, 1, 0, 0]), u32(48_000), Buffer.from([0, 0, 0])]);
  const tags = Buffer.concat([Buffer.from('OpusTags'), u32(4), Buffer.from('test'), u32(0)]);
  return Buffer.concat([page(2, 0, 0, head), page(0, 0, 1, tags), page(4, 96_000, 2, randomBytes(200))]);
};

function page(flags, granule, number, packet) {
  const header = Buffer.alloc(28);
  header.write('OggS');
  header[5] = flags;
  header.writeBigUInt64LE(BigInt(granule), 6);
  header.writeUInt32LE(7, 14);
  header.writeUInt32LE(number, 18);
  header[26] = 1;
  header[27] = packet.length;
  const whole = Buffer.concat([header, packet]);
  whole.writeUInt32LE(checksum(whole), 22);
  return whole;
}

/** CRC-32 as Ogg has it (RFC 3533): not reflected, from zero. */
function checksum(bytes) {
  let sum = 0;
  for (const byte of bytes) {
    sum ^= byte << 24;
    for (let bit = 0; bit < 8; bit += 1) sum = sum & 0x80000000 ? (sum << 1) ^ 0x04c11db7 : sum << 1;
  }
  return sum >>> 0;
}

function box(name, content) {
  const header = Buffer.alloc(8);
  header.writeUInt32BE(content.length + 8);
  header.write(name, 4);
  return Buffer.concat([header, content]);
}

function u32(number) {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(number);
  return bytes;
}
