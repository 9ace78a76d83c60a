// Lets this process trust the certificate of a simulator that speaks TLS: Baileys has no setting for that.
import tls from 'node:tls';

const trusted = [];
const create = tls.createSecureContext;
tls.createSecureContext = (options = {}) => create({ ...options, ca: options.ca ?? [...tls.rootCertificates, ...trusted] });

/** From now on; @param certificate in PEM */
export function trust(certificate) {
  trusted.push(certificate);
}
