// A WhatsApp companion driven by the real Baileys: pairs by QR with a simulated phone, sends, receives.
import './loopback.mjs';
import './strict.mjs';
import { until } from './until.mjs';

for (const level of ['log', 'info', 'debug', 'warn', 'error']) console[level] = () => {}; // libsignal prints sessions
const baileys = await import('baileys');
const { default: makeWASocket, initAuthCreds, BufferJSON, DisconnectReason, WA_CERT_DETAILS, proto } = baileys;

const quiet = { level: 'silent', child: () => quiet, trace() {}, debug() {}, info() {}, warn() {}, error() {}, fatal() {} };

export class Companion {
  /** @param simulator the running simulator, see simulator.mjs  @param number the phone that will own this companion */
  constructor(simulator, number) {
    this.simulator = simulator;
    this.number = number;
    this.received = [];
    this.updates = [];
    this.auth = new MemoryAuth();
    this.state = 'new';
    WA_CERT_DETAILS.PUBLIC_KEY = Buffer.from(simulator.info.rootKey, 'hex');
  }

  /** Shows a QR, lets the phone scan it, and waits until the login after it is open. */
  async pair() {
    this.connect();
    const qr = await until(`QR of ${this.number}`, () => this.qr);
    await this.simulator.post(`/sim/phones/${this.number}/scan`, { qr });
    await this.opened();
    return this;
  }

  connect() {
    this.state = 'connecting';
    this.wanted = true;
    const socket = makeWASocket({
      auth: this.auth.state,
      waWebSocketUrl: this.simulator.info.wsUrl,
      logger: quiet,
      version: [2, 3000, 1045649367],
      syncFullHistory: false,
      getMessage: async (key) => this.sent?.get(key.id),
    });
    this.socket = socket;
    socket.ev.on('creds.update', (update) => Object.assign(this.auth.state.creds, update));
    socket.ev.on('connection.update', (update) => this.#onConnection(socket, update));
    socket.ev.on('messages.upsert', ({ messages, type }) => {
      for (const message of messages) this.#onMessage(message, type);
    });
    socket.ev.on('messages.update', (updates) => this.updates.push(...updates));
  }

  opened() {
    return until(`${this.number} open (state ${this.state})`, () => this.state === 'open', 60);
  }

  /** Closes the socket as a machine that loses power would; `connect` brings it back. */
  async goOffline() {
    this.wanted = false;
    this.socket.end(new Error('offline on purpose'));
    await until('socket closed', () => this.state === 'closed');
  }

  /** Forgets every Signal session, as a restored backup would. */
  loseSessions() {
    return this.auth.drop('session');
  }

  /** Forgets the keys that members of groups write with. */
  loseSenderKeys() {
    return this.auth.drop('sender-key');
  }

  /** Makes a group with these numbers; returns its JID. */
  async createGroup(subject, numbers) {
    const group = await this.socket.groupCreate(subject, numbers.map((number) => `${number}@s.whatsapp.net`));
    return group.id;
  }

  async sendText(to, text) {
    const jid = to.includes('@') ? to : `${to}@s.whatsapp.net`;
    const sent = await this.socket.sendMessage(jid, { text }, { linkPreview: null });
    (this.sent ??= new Map()).set(sent.key.id, sent.message);
    return sent.key.id;
  }

  async read(message) {
    await this.socket.readMessages([message.key]);
  }

  /** Texts that came from others, in the order of arrival. */
  texts() {
    return this.received.filter((m) => !m.fromMe).map((m) => m.text);
  }

  waitForText(text, seconds = 30) {
    return until(`"${text}" at ${this.number}`, () => this.received.find((m) => m.text === text), seconds);
  }

  #onConnection(socket, { connection, qr, lastDisconnect }) {
    if (socket !== this.socket) return;
    if (qr) this.qr = qr;
    if (connection === 'open') this.state = 'open';
    if (connection !== 'close') return;
    this.state = 'closed';
    this.closeCode = lastDisconnect?.error?.output?.statusCode;
    if (this.wanted && this.closeCode === DisconnectReason.restartRequired) this.connect();
  }

  #onMessage(message, type) {
    const text = message.message?.conversation ?? message.message?.extendedTextMessage?.text;
    if (text === undefined || text === null) {
      this.stubs = (this.stubs ?? 0) + 1;
      return;
    }
    this.received.push({ id: message.key.id, key: message.key, fromMe: Boolean(message.key.fromMe), text, type });
  }
}

/** Credentials and keys in memory, kept as the JSON that Baileys' file store would write. */
class MemoryAuth {
  #keys = new Map();

  constructor() {
    this.state = {
      creds: initAuthCreds(),
      keys: { get: (type, ids) => this.#get(type, ids), set: (data) => this.#set(data) },
    };
  }

  drop(type) {
    for (const key of [...this.#keys.keys()]) if (key.startsWith(`${type}/`)) this.#keys.delete(key);
  }

  #get(type, ids) {
    const found = {};
    for (const id of ids) {
      const stored = this.#keys.get(`${type}/${id}`);
      if (!stored) continue;
      const value = JSON.parse(stored, BufferJSON.reviver);
      found[id] = type === 'app-state-sync-key' ? proto.Message.AppStateSyncKeyData.fromObject(value) : value;
    }
    return found;
  }

  #set(data) {
    for (const [type, entries] of Object.entries(data)) {
      for (const [id, value] of Object.entries(entries)) {
        if (value) this.#keys.set(`${type}/${id}`, JSON.stringify(value, BufferJSON.replacer));
        else this.#keys.delete(`${type}/${id}`);
      }
    }
  }
}
