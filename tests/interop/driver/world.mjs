// One simulator, one gateway on a fresh SQLite file, one webhook receiver that checks every signature.
import { createHmac, timingSafeEqual } from 'node:crypto';
import { createServer } from 'node:http';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Companion } from './companion.mjs';
import { Service } from './process.mjs';
import { until } from './until.mjs';

const secret = 'interop-webhook-secret';

export class World {
  /** With `tls`, WhatsApp and its media hosts speak it; `gateway` are further variables for the gateway. */
  static async start({ tls = false, gateway = {} } = {}) {
    const world = new World();
    world.settings = gateway;
    world.simulator = await Service.start(['simulate', '--listen', '127.0.0.1:0', ...(tls ? ['--tls'] : [])]);
    world.simulator.info = await world.simulator.get('/sim/info');
    world.folder = await mkdtemp(join(tmpdir(), 'trunkline-interop-'));
    const { certificate } = world.simulator.info;
    if (certificate) {
      world.settings.WHATSAPP_CA_FILE = join(world.folder, 'simulator.pem');
      await writeFile(world.settings.WHATSAPP_CA_FILE, certificate);
    }
    world.webhooks = await Webhooks.listen();
    world.companions = [];
    await world.startGateway();
    return world;
  }

  async startGateway() {
    const admin = { email: 'admin@interop.test', password: 'correct horse battery staple' };
    this.gateway = await Service.start(['serve'], {
      LISTEN: '127.0.0.1:0',
      DATA_DIR: this.folder,
      WHATSAPP_URL: this.simulator.info.wsUrl,
      WHATSAPP_ROOT_KEY: this.simulator.info.rootKey,
      OUTBOUND_ALLOW: '127.0.0.1/32',
      ADMIN_EMAIL: admin.email,
      ADMIN_PASSWORD: admin.password,
      ...this.settings,
    });
    const { user } = await this.gateway.post('/api/auth/login', admin);
    this.gateway.headers = { 'x-api-key': user.apiKey };
  }

  /** An instance of the gateway that nobody has linked yet. */
  async unlinked(number) {
    const created = await this.gateway.call('POST', '/api/instances', { name: `instance ${number}`, ...this.told() });
    if (created.status !== 201) throw new Error(`create: ${JSON.stringify(created)}`);
    return new Instance(this, created.body.id, number);
  }

  /** An instance that was made in another way; it tells the world's webhook from now on. */
  async known(id, number) {
    const { webhookUrl, webhookEnabled, webhookSecret, ...notify } = this.told();
    const settings = { webhookUrl, webhookEnabled, webhookSettings: { ...notify, secret: webhookSecret } };
    const { status, body } = await this.gateway.call('PUT', `/api/instances/${id}`, settings);
    if (status !== 200) throw new Error(`PUT: ${status} ${JSON.stringify(body)}`);
    return new Instance(this, id, number);
  }

  /** Settings by which an instance tells all that it can. */
  told() {
    const notify = { notifyReceived: true, notifySent: true, notifyDelivery: true, notifyRead: true };
    return { webhookUrl: this.webhooks.url, webhookEnabled: true, ...notify, webhookSecret: secret };
  }

  /** An instance of the gateway, linked to the phone with this number. */
  async instance(number) {
    await this.phone(number);
    const { id } = await this.unlinked(number);
    const qr = await until('QR of the instance', async () => {
      const { status, body } = await this.gateway.call('GET', `/api/instances/${id}/qr`);
      return status === 200 && body.qrCode;
    });
    await this.simulator.post(`/sim/phones/${number}/scan`, { qr });
    const instance = new Instance(this, id, number);
    await instance.connected();
    return instance;
  }

  /** A Baileys companion linked to the phone with this number; with `folder` it keeps what it has there. */
  async baileys(number, { folder } = {}) {
    await this.phone(number);
    const companion = new Companion(this.simulator, number);
    if (folder) await companion.keepIn(folder);
    this.companions.push(companion);
    return companion.pair();
  }

  phone(number) {
    return this.simulator.post('/sim/phones', { number, name: `Phone ${number}` });
  }

  async stop() {
    for (const companion of this.companions) {
      companion.wanted = false;
      companion.socket?.end(undefined);
    }
    await this.gateway?.stop();
    await this.simulator?.stop();
    await this.webhooks?.close();
    await rm(this.folder, { recursive: true, force: true });
  }
}

export class Instance {
  constructor(world, id, number) {
    Object.assign(this, { world, id, number });
  }

  connected() {
    return until(`instance ${this.number} connected`, async () => {
      const { body } = await this.world.gateway.call('GET', `/api/whatsapp/${this.id}/status`);
      return body.ready;
    });
  }

  /** Any other call of the API about this instance. */
  async call(what, body) {
    const { status, body: answer } = await this.world.gateway.call('POST', `/api/whatsapp/${this.id}/${what}`, body);
    if (status !== 200) throw new Error(`${what}: ${status} ${JSON.stringify(answer)}`);
    return answer;
  }

  /** The first event of this kind that is like that. */
  told(kind, wanted, seconds = 30) {
    return until(`webhook ${kind}`, () => this.events(kind).find((e) => wanted(e.data)), seconds);
  }

  async send(phone, message) {
    const { status, body } = await this.world.gateway.call('POST', `/api/whatsapp/${this.id}/send`, { phone, message });
    if (status !== 200) throw new Error(`send: ${status} ${JSON.stringify(body)}`);
    return body.id;
  }

  /** Sends a file in a form; returns the message's id. */
  async sendFile(phone, bytes, { type, name }) {
    const form = new FormData();
    form.set('phone', phone);
    form.set('type', type);
    form.set('file', new Blob([bytes]), name);
    const { url, headers } = this.world.gateway;
    const response = await fetch(`${url}/api/whatsapp/${this.id}/send-file`, { method: 'POST', headers, body: form });
    const body = await response.json();
    if (response.status !== 200) throw new Error(`send-file: ${response.status} ${JSON.stringify(body)}`);
    return body.id;
  }

  /** The file of a message, which the gateway fetches first where it has to. */
  async file(messageId) {
    const { url, headers } = this.world.gateway;
    const response = await fetch(`${url}/api/instances/${this.id}/messages/${messageId}/media`, { headers });
    if (response.status !== 200) throw new Error(`media: ${response.status} ${await response.text()}`);
    return { type: response.headers.get('content-type'), bytes: Buffer.from(await response.arrayBuffer()) };
  }

  /** Webhook events of this instance, deduplicated by their stable id, in order of first arrival. */
  events(kind) {
    const seen = new Set();
    return this.world.webhooks.events.filter(
      (e) => e.data.instanceId === this.id && e.event === kind && !seen.has(e.id) && seen.add(e.id),
    );
  }

  /** Texts that came from others, in the order of arrival; the hostile profile posts statuses, too, which have no text. */
  texts() {
    return this.events('message_received')
      .filter((e) => e.data.remoteJid !== 'status@broadcast')
      .map((e) => e.data.body);
  }

  waitForText(text, seconds = 30) {
    return until(`webhook "${text}"`, () => this.texts().includes(text), seconds);
  }

  waitForStatus(messageId, status, seconds = 30) {
    return until(
      `message_status ${status} of ${messageId}`,
      () => this.events('message_status').some((e) => e.data.messageId === messageId && e.data.status === status),
      seconds,
    );
  }
}

class Webhooks {
  static async listen() {
    const receiver = new Webhooks();
    receiver.events = [];
    receiver.refused = [];
    receiver.server = createServer((request, response) => receiver.#receive(request, response));
    await new Promise((resolve) => receiver.server.listen(0, '127.0.0.1', resolve));
    receiver.url = `http://127.0.0.1:${receiver.server.address().port}/hook`;
    return receiver;
  }

  close() {
    this.server.closeAllConnections();
    return new Promise((resolve) => this.server.close(resolve));
  }

  async #receive(request, response) {
    const chunks = [];
    for await (const chunk of request) chunks.push(chunk);
    const body = Buffer.concat(chunks);
    const expected = createHmac('sha256', secret).update(body).digest('hex');
    const given = request.headers['x-webhook-signature'] ?? '';
    const valid = given.length === expected.length && timingSafeEqual(Buffer.from(given), Buffer.from(expected));
    if (valid) this.events.push(JSON.parse(body.toString()));
    else this.refused.push(given);
    response.writeHead(valid ? 200 : 401).end();
  }
}
