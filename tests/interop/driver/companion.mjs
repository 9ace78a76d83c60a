// A WhatsApp companion driven by the real Baileys: pairs by QR with a simulated phone, sends, receives.
import './loopback.mjs';
import './strict.mjs';
import './trust.mjs';
import { until } from './until.mjs';

for (const level of ['log', 'info', 'debug', 'warn', 'error']) console[level] = () => {}; // libsignal prints sessions
const baileys = await import('baileys');
const { default: makeWASocket, downloadMediaMessage, initAuthCreds, useMultiFileAuthState } = baileys;
const { BufferJSON, DisconnectReason, WA_CERT_DETAILS, proto } = baileys;

const quiet = { level: 'silent', child: () => quiet, trace() {}, debug() {}, info() {}, warn() {}, error() {}, fatal() {} };

export class Companion {
  /** @param simulator the running simulator, see simulator.mjs  @param number the phone that will own this companion */
  constructor(simulator, number) {
    this.simulator = simulator;
    this.number = number;
    this.received = [];
    this.files = [];
    this.updates = [];
    this.all = [];
    this.presences = [];
    this.chats = [];
    this.contacts = [];
    this.history = [];
    this.auth = new MemoryAuth();
    this.state = 'new';
    WA_CERT_DETAILS.PUBLIC_KEY = Buffer.from(simulator.info.rootKey, 'hex');
  }

  /** Keeps credentials and keys in this folder, as Baileys itself does it. To be called before it connects. */
  async keepIn(folder) {
    const { state, saveCreds } = await useMultiFileAuthState(folder);
    this.auth = { state };
    this.saveCreds = saveCreds;
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
    socket.ev.on('creds.update', (update) => {
      Object.assign(this.auth.state.creds, update);
      this.saveCreds?.();
    });
    socket.ev.on('connection.update', (update) => this.#onConnection(socket, update));
    socket.ev.on('messages.upsert', ({ messages, type }) => {
      for (const message of messages) this.#onMessage(message, type);
    });
    socket.ev.on('messages.update', (updates) => this.updates.push(...updates));
    socket.ev.on('presence.update', (update) => this.presences.push(update));
    socket.ev.on('chats.update', (updates) => this.chats.push(...updates));
    socket.ev.on('contacts.upsert', (contacts) => this.contacts.push(...contacts));
    socket.ev.on('messaging-history.set', ({ messages }) => this.history.push(...messages));
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

  /** The ids of the sender keys that it has of others, newest last, by `<group>::<sender>`. */
  senderKeyIds() {
    const ids = new Map();
    for (const [name, record] of this.auth.all('sender-key')) {
      const states = JSON.parse(Buffer.from(record).toString());
      ids.set(name, states.map((state) => state.senderKeyId));
    }
    return ids;
  }

  /** Makes a group with these numbers; returns its JID. */
  async createGroup(subject, numbers) {
    const group = await this.socket.groupCreate(subject, numbers.map((number) => `${number}@s.whatsapp.net`));
    return group.id;
  }

  /** Sends what Baileys has a word for; returns the whole message. */
  async say(to, content, options = {}) {
    const jid = to.includes('@') ? to : `${to}@s.whatsapp.net`;
    const sent = await this.socket.sendMessage(jid, content, { linkPreview: null, ...options });
    (this.sent ??= new Map()).set(sent.key.id, sent.message);
    return sent;
  }

  async sendText(to, text) {
    const jid = to.includes('@') ? to : `${to}@s.whatsapp.net`;
    const sent = await this.socket.sendMessage(jid, { text }, { linkPreview: null });
    (this.sent ??= new Map()).set(sent.key.id, sent.message);
    return sent.key.id;
  }

  /** Sends what Baileys makes of this; returns the message's id. */
  async send(number, content) {
    const sent = await this.socket.sendMessage(`${number}@s.whatsapp.net`, content);
    (this.sent ??= new Map()).set(sent.key.id, sent.message);
    return sent.key.id;
  }

  /** The message with this id, once it has come with a file. */
  waitForFile(id) {
    return until(`file ${id} at ${this.number}`, () => this.files.find((m) => m.key.id === id));
  }

  /** The file of a message. */
  download(message) {
    return downloadMediaMessage(message, 'buffer', {});
  }

  /** Has the own phone upload the file of a message again. Baileys itself thinks of that at 404 and 410 only, not at 403. */
  askForUpload(message) {
    return this.socket.updateMediaMessage(message);
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
    this.all.push(message);
    const text = message.message?.conversation ?? message.message?.extendedTextMessage?.text;
    if (text === undefined || text === null) {
      if (message.message) this.files.push(message);
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

  /** What is kept of a type, as pairs of id and value. */
  all(type) {
    const found = [...this.#keys.keys()].filter((key) => key.startsWith(`${type}/`));
    return found.map((key) => [key.slice(type.length + 1), JSON.parse(this.#keys.get(key), BufferJSON.reviver)]);
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
