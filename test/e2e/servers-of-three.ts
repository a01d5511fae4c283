// Next hops on real sockets of which one is sick: it refuses connections, says nothing, sends one byte a second, or
// stalls at the final dot, until it is told to be well. Each keeps what it took, in order, and when. Also a source that
// fills the queue by several connections. Used by an e2e test and by a benchmark. No message's content matters.

import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';

export const sicknesses = ['refuses', 'says nothing', 'sends one byte a second', 'stalls at the final dot'] as const;
export type Sickness = (typeof sicknesses)[number];
export type Took = { readonly forwardPath: string; readonly at: number };

export class HopServer {
  readonly took: Took[] = [];
  port = 0;
  #sickness: Sickness | null = null;
  readonly #takesMs: number;
  readonly #sockets = new Set<Socket>();
  #server: Server | null = null;

  /** `takesMs`: from the final dot to its reply. */
  constructor(takesMs: number) {
    this.#takesMs = takesMs;
  }

  /** Opens it, on the port that it had. */
  async open(): Promise<this> {
    const server = createServer((socket) => {
      this.#sockets.add(socket);
      socket.on('error', () => {}).on('close', () => this.#sockets.delete(socket));
      this.#greet(socket);
    });
    await new Promise<void>((resolve) => server.listen(this.port, '127.0.0.1', resolve));
    this.port = (server.address() as AddressInfo).port;
    this.#server = server;
    return this;
  }

  async become(sickness: Sickness | null): Promise<void> {
    this.#sickness = sickness;
    await this.close(); // connections of before are gone, as with a server that is restarted
    if (sickness !== 'refuses') await this.open();
  }

  async close(): Promise<void> {
    const server = this.#server;
    this.#server = null;
    for (const socket of this.#sockets) socket.destroy();
    if (server !== null) await new Promise((resolve) => server.close(resolve));
  }

  #greet(socket: Socket): void {
    const isQuiet = this.#sickness === 'says nothing' || this.#sickness === 'sends one byte a second';
    if (!isQuiet) {
      this.#talk(socket);
      return;
    }
    socket.resume();
    if (this.#sickness === 'says nothing') return;
    const greeting = [...`220 ${'a greeting that takes long '.repeat(40)}`];
    const timer = setInterval(() => void socket.write(greeting.shift() ?? ' '), 1_000);
    socket.on('close', () => clearInterval(timer));
  }

  #talk(socket: Socket): void {
    const say = (reply: string) => {
      socket.write(`${reply}\r\n`);
    };
    const stalls = this.#sickness === 'stalls at the final dot';
    let [text, inContent, forwardPath] = ['', false, ''];
    socket.on('data', (chunk) => {
      text += chunk.toString('latin1');
      for (let end = text.indexOf('\r\n'); end >= 0; end = text.indexOf('\r\n')) {
        const line = text.slice(0, end);
        text = text.slice(end + 2);
        if (inContent) {
          if (line !== '.') continue;
          inContent = false;
          if (!stalls) setTimeout(take, this.#takesMs, forwardPath);
        } else if (line.startsWith('RCPT')) {
          forwardPath = /<(.*)>/.exec(line)?.[1] ?? '';
          say('250 2.1.5 Ok');
        } else if (line === 'DATA') {
          inContent = true;
          say('354 go on');
        } else if (line === 'QUIT') socket.end('221 2.0.0 bye\r\n');
        else say('250 2.0.0 Ok');
      }
    });
    const take = (path: string) => {
      if (socket.destroyed) return;
      this.took.push({ forwardPath: path, at: Date.now() });
      say('250 2.0.0 Ok');
    };
    say('220 hop.example ESMTP');
  }
}

/** Sends one message to each address in their order, by so many connections at once. */
export async function fill(port: number, forwardPaths: readonly string[], connections: number): Promise<void> {
  let next = 0;
  const one = async () => {
    const socket = connect(port, '127.0.0.1');
    const reply = replies(socket);
    await reply(null);
    await reply('EHLO source.example\r\n');
    for (let path = forwardPaths[next++]; path !== undefined; path = forwardPaths[next++]) {
      await reply('MAIL FROM:<ann@src.example>\r\n');
      await reply(`RCPT TO:<${path}>\r\n`);
      await reply('DATA\r\n');
      await reply(`From: ann@src.example\r\nTo: ${path}\r\nSubject: one of many\r\n\r\nHello\r\n.\r\n`);
    }
    socket.end('QUIT\r\n');
  };
  await Promise.all(Array.from({ length: connections }, one));
}

function replies(socket: Socket): (command: string | null) => Promise<void> {
  let [text, wake] = ['', () => {}];
  let broken: Error | null = null;
  socket.on('data', (chunk) => {
    text += chunk.toString('latin1');
    wake();
  });
  socket.on('error', (error) => {
    broken = error;
    wake();
  });
  return async (command) => {
    if (command !== null) socket.write(command);
    for (;;) {
      const match = /^(?:\d{3}-[^\n]*\n)*(\d{3}) [^\n]*\n/.exec(text);
      if (match !== null) {
        text = text.slice(match[0].length);
        if (Number(match[1]) >= 400) throw new Error(`the source was refused: ${match[0]}`);
        return;
      }
      if (broken !== null) throw broken;
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
    }
  };
}

/** The addresses u0, u1, … at each domain, in turns. */
export function addresses(domains: readonly string[], from: number, count: number): readonly string[] {
  return Array.from({ length: count }, (_, index) => domains.map((domain) => `u${from + index}@${domain}`)).flat();
}

export const numberOf = ({ forwardPath }: Took): number => Number(/^u(\d+)@/.exec(forwardPath)?.[1]);
