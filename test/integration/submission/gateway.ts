// A submission server over the memory store, and a client that speaks in exact bytes: what the tests of the gateway
// share.

import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { connect as connectTcp, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type ConnectionOptions, connect as connectTls, type TLSSocket } from 'node:tls';
import { MemoryClock } from '#adapters/memory/clock.ts';
import { MemorySubmissionStore } from '#adapters/memory/submission-store.ts';
import { UlidNames } from '#adapters/ulid-names.ts';
import { readEnvelope, type SubmittedEnvelope } from '#core/submission/submission.ts';
import { LoginGuard, type SecretSource } from '#gateway/login-guard.ts';
import { type SubmissionServerParts, submissionServer } from '#gateway/server.ts';
import { SubmissionSpace } from '#gateway/space.ts';
import { testCa } from '#test/smtp-dialogue.ts';

export const login = { username: 'exchange', password: 'pässword:1' };
const fixture = (name: string) => readFileSync(new URL(`../../fixtures/tls/${name}`, import.meta.url), 'utf8');
export const tls = { key: fixture('server.key'), cert: fixture('server.pem') };

export type Gateway = Awaited<ReturnType<typeof openGateway>>;

export async function openGateway(given: Partial<SubmissionServerParts> & { readonly secrets?: SecretSource } = {}) {
  const store = new MemorySubmissionStore();
  const folder = mkdtempSync(join(tmpdir(), 'everpost-gateway-'));
  const lines: { event: string; fields: Readonly<Record<string, unknown>> }[] = [];
  const clock = new MemoryClock(Date.UTC(2026, 10, 22, 22, 46, 47));
  const submitters = {
    exchange: { secret: 'everpost/exchange', senderDomains: ['example.com', 'xn--bcher-kva.example'] },
  };
  const secrets = given.secrets ?? { credentials: async () => login, forget: () => {} };
  const server = submissionServer({
    settings: { host: 'example.com', domains: ['example.com'], submitters },
    clients: new LoginGuard(submitters, secrets, clock),
    tls: null,
    allowPlainAuth: false,
    storeOf: () => store,
    space: new SubmissionSpace(join(folder, 'space')),
    names: new UlidNames(clock),
    clock,
    log: (event, fields) => lines.push({ event, fields }),
    ...given,
    limits: { loginDelayMs: 1, ...given.limits },
  });
  const port = await server.listen({ host: '127.0.0.1', port: 0, implicitTls: false });
  return {
    server,
    port,
    store,
    clock,
    lines,
    /** Files that hold content now. */
    files: () => {
      try {
        return readdirSync(join(folder, 'space'));
      } catch {
        return [];
      }
    },
    async close() {
      await server.stop();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** Each submission in the store, in the order in which it was committed. */
export function submissions(store: MemorySubmissionStore): { envelope: SubmittedEnvelope; content: Buffer }[] {
  return [...store.objects]
    .filter(([key]) => key.endsWith('.envelope.json'))
    .map(([key, bytes]) => {
      const read = readEnvelope(bytes.toString());
      if (read.kind !== 'envelope') throw new Error(`${key}: ${read.why}`);
      const content = store.objects.get(key.replace('.envelope.json', '.eml'));
      if (content === undefined) throw new Error(`${key} has no content`);
      return { envelope: read.envelope, content };
    });
}

export class Client {
  private socket: Socket | TLSSocket;
  private text = '';
  private wake: () => void = () => {};
  closed = false;

  constructor(socket: Socket | TLSSocket) {
    this.socket = socket;
    this.listen(socket);
  }

  /** @param from an address of this machine, 127.0.0.0/8 */
  static tcp(port: number, from = '127.0.0.1'): Client {
    return new Client(connectTcp({ port, host: '127.0.0.1', localAddress: from }));
  }
  static tls(port: number): Client {
    return new Client(connectTls({ port, host: '127.0.0.1', ca: testCa, servername: 'localhost' }));
  }
  /** Greeted, EHLO said, logged in. */
  static ready(port: number): Promise<Client> {
    return Client.readyAs(port, login);
  }
  static async readyAs(port: number, { username, password }: typeof login): Promise<Client> {
    const client = Client.tcp(port);
    await client.reply();
    await client.ask('EHLO client.example');
    await client.ask(`AUTH PLAIN ${plain(username, password)}`);
    return client;
  }

  write(bytes: string | Uint8Array): boolean {
    return this.socket.write(bytes);
  }
  /** One whole reply, its last line's CRLF included. Throws where the connection ends first. */
  async reply(): Promise<string> {
    for (;;) {
      const found = /^(?:\d{3}-.*\r\n)*\d{3} .*\r\n/.exec(this.text);
      if (found !== null) {
        this.text = this.text.slice(found[0].length);
        return found[0];
      }
      if (this.closed) throw new Error(`the connection ended; unread: ${JSON.stringify(this.text)}`);
      await new Promise<void>((resolve) => {
        this.wake = resolve;
      });
    }
  }
  ask(command: string): Promise<string> {
    this.write(`${command}\r\n`);
    return this.reply();
  }
  /** MAIL, RCPT, DATA, content; the answer to the last of them that was asked. */
  async send(content: string | Uint8Array, to: readonly string[] = ['<bob@far.example>']): Promise<string> {
    for (const command of ['MAIL FROM:<ann@example.com>', ...to.map((path) => `RCPT TO:${path}`), 'DATA']) {
      const reply = await this.ask(command);
      if (!/^[23]/.test(reply)) return reply;
    }
    this.write(content);
    return this.ask('.');
  }
  async secure(options: ConnectionOptions = {}): Promise<void> {
    this.socket.removeAllListeners('data');
    this.socket.removeAllListeners('close');
    const secured = connectTls({ socket: this.socket, ca: testCa, servername: 'localhost', ...options });
    await new Promise((resolve, reject) => secured.once('secureConnect', resolve).once('error', reject));
    this.socket = secured;
    this.listen(secured);
  }
  async ended(): Promise<void> {
    while (!this.closed)
      await new Promise<void>((resolve) => {
        this.wake = resolve;
      });
  }
  destroy(): void {
    this.socket.destroy();
  }

  private listen(socket: Socket): void {
    socket.on('error', () => {});
    socket.on('data', (bytes: Buffer) => {
      this.text += bytes.toString('latin1');
      this.wake();
    });
    socket.on('close', () => {
      this.closed = true;
      this.wake();
    });
  }
}

export function plain(username: string, password: string, authzid = ''): string {
  return Buffer.from(`${authzid}\0${username}\0${password}`).toString('base64');
}
