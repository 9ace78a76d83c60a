// Starts `trunkline` subcommands and talks JSON to them.
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { trust } from './trust.mjs';

// SIMULATOR_PROFILE=hostile runs all of it on a WhatsApp that has known the accounts for weeks, SIMULATOR_WITHOUT leaves
// out of it what Baileys doesn't survive.
const { PATH, HOME, SIMULATOR_PROFILE = 'plain', SIMULATOR_WITHOUT, SIMULATOR_WITH } = process.env;
const inherited = {
  PATH, HOME, SIMULATOR_PROFILE,
  ...(SIMULATOR_WITHOUT && { SIMULATOR_WITHOUT }),
  ...(SIMULATOR_WITH && { SIMULATOR_WITH }),
};
const binary = process.env.TRUNKLINE ?? fileURLToPath(new URL('../../../target/debug/trunkline', import.meta.url));

/** Runs a subcommand to its end; answers its exit code and what it has said. */
export async function run(args, env = {}) {
  const child = spawn(binary, args, { env: { ...inherited, ...env }, stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (output += chunk));
  const code = await new Promise((resolve, reject) => child.on('error', reject).on('close', resolve));
  return { code, output };
}

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
        const found = service.output.match(/(https?:\/\/127\.0\.0\.1:\d+).*\n/);
        if (found) resolve(found[1]);
      };
      service.child.stdout.on('data', read);
      service.child.stderr.on('data', (chunk) => (service.output += chunk));
      service.child.on('error', reject);
      service.child.on('exit', (code) => reject(new Error(`${args[0]} ended with ${code}:\n${service.output}`)));
    });
    const certificate = service.output.match(/"certificate":("[^"]*")/);
    if (certificate) trust(JSON.parse(certificate[1]));
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
