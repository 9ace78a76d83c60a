// No socket beyond loopback: a client that tries to leave this machine fails the run.
import net from 'node:net';

/** Destinations that were refused, for the test that looks at the end of a run. */
export const refused = [];

const connect = net.Socket.prototype.connect;
net.Socket.prototype.connect = function (...args) {
  const options = Array.isArray(args[0]) ? args[0][0] : args[0];
  const host = typeof options === 'object' ? (options.host ?? options.path ?? 'localhost') : (args[1] ?? 'localhost');
  if (!['127.0.0.1', '::1', 'localhost'].includes(host)) {
    refused.push(host);
    throw new Error(`socket beyond loopback refused: ${host}`);
  }
  return connect.apply(this, args);
};
