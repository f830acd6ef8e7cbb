/** Starts the real server on a free port with a data folder of its own, and a drill beside it. */
import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';

const ROOT = resolve(import.meta.dirname, '../..');
const READY_MS = 30_000;

/** `PANTAU_BIN`, else what cargo built; null: there is none, and the browser tests are skipped. */
export const BINARY: string | null =
  [process.env.PANTAU_BIN, join(ROOT, 'target/release/pantau'), join(ROOT, 'target/debug/pantau')].find(
    (path): path is string => path !== undefined && existsSync(path),
  ) ?? null;

export class Pantau {
  readonly dir = mkdtempSync(join(tmpdir(), 'pantau-e2e-'));
  private process: ChildProcess | null = null;
  private log = '';

  /** Sent with every question of `get`, where there is one. */
  token: string | null = null;

  private constructor(
    private readonly binary: string,
    readonly port: number,
    private readonly pack: string,
    private readonly flags: readonly string[],
  ) {}

  /** `city` is a pack of ours by its name, or any by its folder. */
  static async start(city = 'ternate', flags: readonly string[] = ['--trust-loopback']): Promise<Pantau> {
    if (BINARY === null) throw new Error('no pantau binary: set PANTAU_BIN or run cargo build');
    const server = new Pantau(BINARY, await freePort(), resolve(ROOT, 'geodata', city), flags);
    await server.up();
    return server;
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  /** Again on the same port and folder after `down`. */
  async up(): Promise<void> {
    const child = spawn(
      this.binary,
      ['serve', '--listen', `127.0.0.1:${this.port}`, '--data', this.dir, '--city', this.pack, ...this.flags],
      { stdio: ['ignore', 'pipe', 'pipe'] },
    );
    child.stdout.on('data', (text: Buffer) => (this.log += text.toString()));
    child.stderr.on('data', (text: Buffer) => (this.log += text.toString()));
    this.process = child;
    await until(READY_MS, () => `the server is ready; it said:\n${this.log}`, async () => {
      if (child.exitCode !== null) throw new Error(`the server ended with ${child.exitCode}:\n${this.log}`);
      return (await fetch(`${this.url}/readyz`).catch(() => null))?.ok === true;
    });
  }

  /** A command on the data folder, beside the server; `input` is what it reads. Answers what it prints. */
  command(args: readonly string[], input = ''): string {
    const all = [...args, '--data', this.dir, '--city', this.pack];
    return execFileSync(this.binary, all, { input: `${input}\n`, encoding: 'utf8' });
  }

  /** As a power cut would. */
  async down(): Promise<void> {
    const child = this.process;
    this.process = null;
    if (child !== null) await end(child, 'SIGKILL');
  }

  async remove(): Promise<void> {
    await this.down();
    rmSync(this.dir, { recursive: true, force: true });
  }

  /** `rate` in reports a second. Returns how to end it, as whoever plays it does; answers what it says of itself then. */
  drill(rate: number): () => Promise<string> {
    const child = spawn(this.binary, ['drill', '--rate', String(rate), '--seed', '7', '--url', this.url], { stdio: ['ignore', 'pipe', 'ignore'] });
    let said = '';
    child.stdout.on('data', (text: Buffer) => (said += text.toString()));
    return async () => {
      await end(child, 'SIGINT');
      return said;
    };
  }

  async get(path: string): Promise<any> {
    return (await fetch(this.url + path, { headers: this.token === null ? {} : { authorization: `Bearer ${this.token}` } })).json();
  }

  async post(path: string, body: unknown): Promise<any> {
    const response = await fetch(this.url + path, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) });
    const json = await response.json();
    if (!response.ok) throw new Error(`${path} answered ${response.status}: ${JSON.stringify(json)}`);
    return json;
  }

  /** A real report (not a drill), each by somebody else; returns the incident's id. */
  async report(category: string, lng: number, lat: number): Promise<string> {
    const reporter = { device: `perangkat ${++this.reporters}` };
    const { incident } = await this.post('/api/v1/reports', { category, lng, lat, description: 'saluran tersumbat di depan rumah Pak Ahmad', reporter });
    return incident;
  }

  /** An account with a password; returns its name. */
  async account(role: string, password: string, more: readonly string[] = []): Promise<string> {
    const name = `${role}${++this.accounts}`;
    const child = spawn(this.binary, ['user', 'add', name, '--role', role, ...more, '--password-stdin', '--data', this.dir, '--city', this.pack], { stdio: ['pipe', 'pipe', 'pipe'] });
    let said = '';
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (text: Buffer) => (said += text.toString()));
    child.stdin.end(`${password}\n`);
    const code = await new Promise((resolve) => child.once('exit', resolve));
    if (code !== 0) throw new Error(`no account for ${role}: ${said}`);
    return name;
  }

  private accounts = 0;

  private reporters = 0;

  async act(incident: string, action: string, body: unknown = {}): Promise<void> {
    await this.post(`/api/v1/incidents/${incident}/${action}`, body);
  }
}

/** Waits for a state, never for a length of time. */
export async function until(limit_ms: number, what: () => string, holds: () => Promise<boolean>): Promise<void> {
  const end_ms = Date.now() + limit_ms;
  while (!(await holds())) {
    if (Date.now() > end_ms) throw new Error(`not within ${limit_ms} ms: ${what()}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

async function end(child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  // With all that it said.
  const ended = new Promise((resolve) => child.once('close', resolve));
  child.kill(signal);
  await ended;
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const probe = createServer();
    probe.once('error', reject);
    probe.listen(0, '127.0.0.1', () => {
      const address = probe.address();
      probe.close(() => (typeof address === 'object' && address !== null ? resolve(address.port) : reject(new Error('no port'))));
    });
  });
}
