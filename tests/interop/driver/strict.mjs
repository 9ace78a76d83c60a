// Makes Baileys' signature checks count. libsignal's `verifySignature` returns a boolean that Baileys
// ignores (and answers `true` for prekey bundles), so any 64 bytes would pass. Import this before Baileys.
import { createRequire } from 'node:module';

const require = createRequire(import.meta.url);
const curve = require('libsignal/src/curve');
const curveJs = createRequire(require.resolve('libsignal/src/curve'))('curve25519-js');

/** How many signatures were verified since the process began: a run that verified none proves nothing. */
export const checked = { signatures: 0 };

const lenient = curve.verifySignature;
curve.verifySignature = (publicKey, message, signature) => {
  lenient(publicKey, message, signature); // its checks of sizes throw
  const key = publicKey.byteLength === 33 ? publicKey.subarray(1) : publicKey;
  if (!curveJs.verify(key, message, signature)) throw new Error('Invalid signature (strict)');
  checked.signatures += 1;
  return true;
};
