// A scripted SMTP server for tests: one script for each connection it takes, the last one for all that follow.
// It checks what the client says, keeps the content's exact bytes, and breaks off as it is told. It never improvises:
// a client that says something else is hung up on, and the mismatch kept.
//
//   S: 220 mx.example ESMTP      sends the line with CRLF            S1: …      the same, one byte a packet
// C: EHLO *                    expects a line; * is any text       raw: "…"   sends a JSON string's characters as bytes
//   content                      reads up to CRLF . CRLF             bytes: N   waits for N bytes of anything
//   tls                          takes TLS up                        stall      says nothing more, for good
//   tls-certified                the same, and wants a certificate of fixtures/tls/clients
//   cut                          closes (FIN)                        reset      drops (RST)
// pause: N                     waits for N milliseconds            quiet: N   the same, and nothing may come meanwhile

import { readFileSync } from 'node:fs';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { TLSSocket } from 'node:tls';

export type Session = {
  /** The lines the client said. */
  readonly said: string[];
  /** Each message as it came, without the final dot, still dot-stuffed. */
  readonly contents: Buffer[];
  secured: boolean;
  /** The name in the client's certificate; null where it showed none. */
  presented: string | null;
};
export type ScriptedServer = {
  readonly port: number;
  readonly sessions: readonly Session[];
  /** What went otherwise than scripted; a test wants it empty. */
  readonly mismatches: readonly string[];
  close(): Promise<void>;
};

const fixture = (name: string) => readFileSync(new URL(`./fixtures/tls/${name}`, import.meta.url));
/** The authority that signed the scripted server's certificate (localhost, 127.0.0.1). */
export const testCa = fixture('ca.pem').toString('latin1');
const identity = { key: fixture('server.key'), cert: fixture('server.pem') };
const clientsCa = fixture('clients/clients-ca.pem');

export function scriptedServer(...scripts: readonly string[]): Promise<ScriptedServer> {
  return scriptedServerAt('127.0.0.1', 0, ...scripts);
}

/** The same at an address of this machine; port 0 is any free one. */
export async function scriptedServerAt(
  address: string,
  port: number,
  ...scripts: readonly string[]
): Promise<ScriptedServer> {
  const sessions: Session[] = [];
  const mismatches: string[] = [];
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    const script = scripts[Math.min(sessions.length, scripts.length - 1)] ?? '';
    const session: Session = { said: [], contents: [], secured: false, presented: null };
    sessions.push(session);
    sockets.add(socket);
    socket.setNoDelay(true);
    play(new Line(socket), script, session).catch((error: Error) => {
      if (error !== GONE) mismatches.push(`connection ${sessions.indexOf(session) + 1}: ${error.message}`);
      socket.destroy();
    });
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, address, resolve);
  });
  return {
    port: (server.address() as AddressInfo).port,
    sessions,
    mismatches,
    close: () => {
      for (const socket of sockets) socket.destroy();
      return new Promise((resolve) => server.close(() => resolve()));
    },
  };
}

async function play(line: Line, script: string, session: Session): Promise<void> {
  for (const step of script.split('\n').map((text) => text.trim())) {
    const [verb, ...rest] = (step.endsWith(':') ? `${step} ` : step).split(': ');
    const text = rest.join(': ');
    if (step === '') continue;
    else if (verb === 'S') line.write(`${text}\r\n`);
    else if (verb === 'S1') for (const byte of Buffer.from(`${text}\r\n`)) await line.writeApart(byte);
    else if (verb === 'raw') line.write(JSON.parse(text) as string);
    else if (verb === 'C') {
      const said = await line.read();
      session.said.push(said);
      if (!matches(text, said)) throw new Error(`expected ${text}, got ${said}`);
    } else if (verb === 'bytes') await line.take(Number(text));
    else if (verb === 'pause') await new Promise((resolve) => setTimeout(resolve, Number(text)));
    else if (verb === 'quiet') {
      await new Promise((resolve) => setTimeout(resolve, Number(text)));
      if (line.waiting !== '') throw new Error(`nothing was expected yet, got ${line.waiting}`);
    } else if (step === 'content') session.contents.push(await line.content());
    else if (step === 'tls' || step === 'tls-certified') {
      session.presented = await line.secure(step === 'tls-certified');
      session.secured = true;
    } else if (step === 'stall') return;
    else if (step === 'cut') return line.cut();
    else if (step === 'reset') return line.reset();
    else throw new Error(`no such step: ${step}`);
  }
  return line.cut();
}

function matches(pattern: string, text: string): boolean {
  const parts = pattern.split('*').map((part) => part.replace(/[.+?^${}()|[\]\\]/g, '\\$&'));
  return new RegExp(`^${parts.join('.*')}$`, 's').test(text);
}

const GONE = new Error('the client is gone');

/** Bytes of one connection, read as the script asks for them. */
class Line {
  #socket: Socket;
  #held = Buffer.alloc(0);
  #gone = false;
  #wake: () => void = () => {};

  constructor(socket: Socket) {
    this.#socket = socket;
    this.#listen();
  }

  write(text: string): void {
    this.#socket.write(Buffer.from(text, 'latin1'));
  }

  async writeApart(byte: number): Promise<void> {
    this.#socket.write(Buffer.of(byte));
    await new Promise((resolve) => setImmediate(resolve));
  }

  /** What has come and was not read yet. */
  get waiting(): string {
    return this.#held.toString('latin1');
  }

  async read(): Promise<string> {
    const end = await this.#find('\r\n', 0);
    return this.#shift(end, 2).toString('utf8');
  }

  async content(): Promise<Buffer> {
    await this.#until(() => this.#held.length >= 3);
    if (this.#held.subarray(0, 3).equals(Buffer.from('.\r\n'))) return this.#shift(0, 3);
    const end = await this.#find('\r\n.\r\n', 0);
    return this.#shift(end + 2, 3);
  }

  async take(count: number): Promise<void> {
    await this.#until(() => this.#held.length >= count);
    this.#shift(count, 0);
  }

  secure(certified: boolean): Promise<string | null> {
    this.#socket.removeAllListeners('data');
    const wants = certified ? { requestCert: true, rejectUnauthorized: true, ca: clientsCa } : {};
    const secured = new TLSSocket(this.#socket, { isServer: true, ...identity, ...wants });
    this.#socket = secured;
    this.#listen();
    return new Promise((resolve, reject) => {
      secured.on('secure', () => resolve(secured.getPeerCertificate().subject?.CN?.toString() ?? null));
      secured.on('close', () => reject(GONE));
    });
  }

  cut(): void {
    this.#socket.end();
  }

  reset(): void {
    this.#socket.resetAndDestroy();
  }

  #listen(): void {
    this.#socket.on('error', () => {});
    this.#socket.on('data', (bytes: Buffer) => {
      this.#held = Buffer.concat([this.#held, bytes]);
      this.#wake();
    });
    this.#socket.on('close', () => {
      this.#gone = true;
      this.#wake();
    });
  }

  async #find(text: string, from: number): Promise<number> {
    await this.#until(() => this.#held.indexOf(text, from, 'latin1') >= 0);
    return this.#held.indexOf(text, from, 'latin1');
  }

  #shift(count: number, skip: number): Buffer {
    const taken = Buffer.from(this.#held.subarray(0, count));
    this.#held = this.#held.subarray(count + skip);
    return taken;
  }

  async #until(look: () => boolean): Promise<void> {
    while (!look()) {
      if (this.#gone) throw GONE;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }
}
