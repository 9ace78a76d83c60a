// Starts `trunkline` subcommands and talks JSON to them.
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';

// SIMULATOR_PROFILE=hostile runs all of it on a WhatsApp that has known the accounts for weeks, SIMULATOR_WITHOUT leaves
// out of it what Baileys doesn't survive.
const { PATH, HOME, SIMULATOR_PROFILE = 'plain', SIMULATOR_WITHOUT } = process.env;
const inherited = { PATH, HOME, SIMULATOR_PROFILE, ...(SIMULATOR_WITHOUT && { SIMULATOR_WITHOUT }) };
const binary = process.env.TRUNKLINE ?? fileURLToPath(new URL('../../../target/debug/trunkline', import.meta.url));

/** A child that has printed the URL at which it listens. */
export class Service {
  static async start(args, env = {}) {
    const service = new Service();
    service.child = spawn(binary, args, {
      env: { ...inherited, LOG: process.env.LOG ?? 'warn', ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    service.output = '';
    service.url = await new Promise((resolve, reject) => {
      const read = (chunk) => {
        service.output += chunk;
        const found = service.output.match(/https?:\/\/127\.0\.0\.1:\d+/);
        if (found) resolve(found[0]);
      };
      service.child.stdout.on('data', read);
      service.child.stderr.on('data', (chunk) => (service.output += chunk));
      service.child.on('error', reject);
      service.child.on('exit', (code) => reject(new Error(`${args[0]} ended with ${code}:\n${service.output}`)));
    });
    return service;
  }

  async call(method, path, body, headers = {}) {
    const response = await fetch(this.url + path, {
      method,
      headers: { ...(body === undefined ? {} : { 'content-type': 'application/json' }), ...this.headers, ...headers },
      body: body === undefined ? undefined : JSON.stringify(body),
    });
    const text = await response.text();
    const json = text === '' ? undefined : JSON.parse(text);
    return { status: response.status, body: json };
  }

  async post(path, body) {
    return this.#expectOk('POST', path, body);
  }

  async get(path) {
    return this.#expectOk('GET', path);
  }

  async stop(signal = 'SIGTERM') {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return;
    const ended = new Promise((resolve) => this.child.once('exit', resolve));
    this.child.kill(signal);
    await ended;
  }

  async #expectOk(method, path, body) {
    const { status, body: answer } = await this.call(method, path, body);
    if (status >= 300) throw new Error(`${method} ${path}: ${status} ${JSON.stringify(answer)}`);
    return answer;
  }
}
