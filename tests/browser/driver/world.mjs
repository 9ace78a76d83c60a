// One simulator, one gateway on a fresh SQLite file, and somebody who receives webhooks.
import { createServer } from 'node:http';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Service } from '../../interop/driver/process.mjs';
import { until } from '../../interop/driver/until.mjs';

export { until };

export const admin = { email: 'ada@example.org', password: 'correct horse battery staple' };

export class World {
  static async start(settings = {}) {
    const world = new World();
    world.simulator = await Service.start(['simulate', '--listen', '127.0.0.1:0']);
    const info = await world.simulator.get('/sim/info');
    world.folder = await mkdtemp(join(tmpdir(), 'trunkline-browser-'));
    world.receiver = await Receiver.listen();
    world.gateway = await Service.start(['serve'], {
      LISTEN: '127.0.0.1:0',
      DATA_DIR: world.folder,
      WHATSAPP_URL: info.wsUrl,
      WHATSAPP_ROOT_KEY: info.rootKey,
      OUTBOUND_ALLOW: '127.0.0.1/32',
      ADMIN_EMAIL: admin.email,
      ADMIN_PASSWORD: admin.password,
      ADMIN_FIRST_NAME: 'Ada',
      ...settings,
    });
    const { user } = await world.gateway.post('/api/auth/login', admin);
    world.gateway.headers = { 'x-api-key': user.apiKey };
    return world;
  }

  get url() {
    return this.gateway.url;
  }

  phones = new Set();

  phone(number, more = {}) {
    this.phones.add(number);
    return this.simulator.post('/sim/phones', { number, name: `Phone ${number.slice(-2)}`, ...more });
  }

  scan(number, qr) {
    return this.simulator.post(`/sim/phones/${number}/scan`, { qr });
  }

  /** An instance that waits for a phone. */
  async instance(name, more = {}) {
    const { id } = await this.gateway.post('/api/instances', { name, ...more });
    return id;
  }

  /** An instance that is linked with the phone of this number. */
  async linked(name, number, more) {
    await this.phone(number);
    const id = await this.instance(name, more);
    const qr = await until('a QR code', async () => {
      const { status, body } = await this.gateway.call('GET', `/api/instances/${id}/qr`);
      return status === 200 && body.qrCode;
    });
    await this.scan(number, qr);
    await until(`${name} is connected`, async () => (await this.gateway.get(`/api/instances/${id}/status`)).ready);
    return id;
  }

  /** Writes from one phone to another; what comes to an instance comes over its phone's account. */
  async write(from, to, what) {
    if (!this.phones.has(from)) await this.phone(from);
    const { id } = await this.simulator.post(`/sim/phones/${from}/send`, { to, ...(typeof what === 'string' ? { text: what } : what) });
    return id;
  }

  async inbox(number) {
    const inbox = await this.simulator.get(`/sim/phones/${number}/inbox`);
    return Array.isArray(inbox) ? inbox : inbox.messages;
  }

  async stop() {
    await this.gateway?.stop();
    await this.simulator?.stop();
    await this.receiver?.close();
    await rm(this.folder, { recursive: true, force: true });
  }
}

/** Takes webhooks, or refuses them. */
class Receiver {
  static async listen() {
    const receiver = new Receiver();
    Object.assign(receiver, { status: 200, calls: [] });
    receiver.server = createServer((request, response) => receiver.#receive(request, response));
    await new Promise((done) => receiver.server.listen(0, '127.0.0.1', done));
    receiver.url = `http://127.0.0.1:${receiver.server.address().port}/hook`;
    return receiver;
  }

  async #receive(request, response) {
    const chunks = [];
    for await (const chunk of request) chunks.push(chunk);
    this.calls.push({ headers: request.headers, body: JSON.parse(Buffer.concat(chunks).toString()) });
    response.writeHead(this.status, { 'content-type': 'text/plain' }).end(this.status === 200 ? 'taken' : 'not now');
  }

  close() {
    this.server.closeAllConnections();
    return new Promise((done) => this.server.close(done));
  }
}

/** A page of somebody else's, on an origin of its own. */
export async function foreignPage(html) {
  const server = createServer((_, response) => response.writeHead(200, { 'content-type': 'text/html; charset=utf-8' }).end(html));
  await new Promise((done) => server.listen(0, '127.0.0.1', done));
  return {
    url: `http://127.0.0.1:${server.address().port}/around`,
    close: () => {
      server.closeAllConnections();
      return new Promise((done) => server.close(done));
    },
  };
}
