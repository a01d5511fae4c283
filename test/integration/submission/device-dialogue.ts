// Dialogues of devices and libraries as test/fixtures/devices has them, and a client that says them byte for byte, over
// TLS where they say so, and that can be cut after any byte. A `.dialogue` opens with who speaks and where it was seen;
// then C is what the client says (@content is the file beside it, with dots stuffed and the final dot), S the reply for
// which it waits, T the TLS handshake. C lines that follow each other are one packet.

import { readdirSync, readFileSync } from 'node:fs';
import { connect as connectTcp, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import type { SubmitterSettings } from '#config/settings.ts';
import { testCa } from '#test/smtp-dialogue.ts';
import { stuffed } from '../../../packages/aws-local/test/conformance/ses-receive.ts';

const FOLDER = new URL('../../fixtures/devices/', import.meta.url);

export type Turn =
  | { readonly kind: 'handshake' }
  | { readonly kind: 'reply'; readonly code: string }
  | { readonly kind: 'says'; readonly bytes: Buffer; readonly endsContent: boolean };
export type Dialogue = {
  readonly name: string;
  readonly submitter: string;
  readonly login: boolean;
  /** The client's address on this machine: by it the submitter is known, or is not. */
  readonly address: string;
  /** What is spoken; null: none. */
  readonly tls: string | null;
  readonly implicit: boolean;
  readonly turns: readonly Turn[];
  readonly content: Buffer;
  /** How many messages it submits. */
  readonly messages: number;
};

export const deviceLogin = { username: 'scanner@example.com', password: 'Kopierer-2026' };
export const deviceSubmitters: Readonly<Record<string, SubmitterSettings>> = {
  scanners: { secret: 'everpost/scanners', senderDomains: ['example.com'], from: ['127.0.11.0/24'], oldTls: true },
  printers: { secret: null, senderDomains: ['example.com'], from: ['127.0.10.0/24'] },
  alarms: { secret: null, senderDomains: ['example.com'], from: ['127.0.12.0/24'], withoutTls: true },
};

export function deviceDialogues(): readonly Dialogue[] {
  const names = readdirSync(FOLDER).filter((file) => file.endsWith('.dialogue'));
  return names.map((file) => dialogueOf(file.replace('.dialogue', '')));
}

function dialogueOf(name: string): Dialogue {
  const [head = '', body = ''] = readFileSync(new URL(`${name}.dialogue`, FOLDER), 'utf8').split('\n\n');
  const content = readFileSync(new URL(`${name}.eml`, FOLDER));
  const about = (key: string) => new RegExp(`^${key}: (.+)$`, 'm').exec(head)?.[1] ?? '';
  for (const key of ['client', 'source', 'known by', 'TLS'])
    if (about(key) === '') throw new Error(`${name} does not say its ${key}`);
  const login = about('known by') === 'login';
  const tls = about('TLS') === 'none' ? null : about('TLS').replace('implicit ', '');
  const old = tls === 'TLSv1' || tls === 'TLSv1.1';
  const byAddress = old
    ? ['scanners', '127.0.11.7']
    : tls === null
      ? ['alarms', '127.0.12.7']
      : ['printers', '127.0.10.7'];
  const [submitter = '', address = ''] = login ? ['scanners', old ? '127.0.11.7' : '127.0.13.7'] : byAddress;
  const turns = turnsOf(body.trimEnd().split('\n'), content);
  const messages = turns.filter((turn) => turn.kind === 'says' && turn.endsContent).length;
  return {
    name,
    submitter,
    login,
    address,
    tls,
    implicit: about('TLS').startsWith('implicit'),
    turns,
    content,
    messages,
  };
}

function turnsOf(lines: readonly string[], content: Buffer): Turn[] {
  const turns: Turn[] = [];
  for (const line of lines) {
    const [, who, what = ''] = /^([CST]): (.+)$/.exec(line) ?? [];
    const before = turns.at(-1);
    if (who === 'T') turns.push({ kind: 'handshake' });
    else if (who === 'S') turns.push({ kind: 'reply', code: what });
    else if (who === 'C') {
      const endsContent = what === '@content';
      const bytes = endsContent ? Buffer.concat([stuffed(content), Buffer.from('.\r\n')]) : Buffer.from(`${what}\r\n`);
      if (before?.kind !== 'says') turns.push({ kind: 'says', bytes, endsContent });
      else turns[turns.length - 1] = { kind: 'says', bytes: Buffer.concat([before.bytes, bytes]), endsContent };
    } else throw new Error(`what is this line: ${line}`);
  }
  return turns;
}

/** How many bytes the client says, the handshake aside. */
export function bytesOf({ turns }: Dialogue): number {
  return turns.reduce((sum, turn) => sum + (turn.kind === 'says' ? turn.bytes.length : 0), 0);
}

export type Ports = { readonly plain: number; readonly implicit: number };
export type Played = {
  /** Each whole reply that came, in order. */
  readonly replies: readonly string[];
  /** The ids of messages that were acknowledged. */
  readonly stored: readonly string[];
};
/** `after`: so many bytes are said, and then the connection ends: by FIN, or by RST. */
export type Cut = { readonly after: number; readonly by: 'end' | 'reset' };

/** Says it, up to the cut where there is one, and reads until the connection is closed. */
export async function play(dialogue: Dialogue, ports: Ports, cut: Cut | null = null): Promise<Played> {
  const raw = connectTcp({
    port: dialogue.implicit ? ports.implicit : ports.plain,
    host: '127.0.0.1',
    localAddress: dialogue.address,
  });
  const reader = new Reader(raw);
  let socket: Socket = raw;
  let left = cut?.after ?? Number.POSITIVE_INFINITY;
  for (const turn of dialogue.turns) {
    if (turn.kind === 'reply') await reader.reply(turn.code);
    else if (turn.kind === 'handshake') socket = await reader.secure(raw, dialogue.tls ?? '');
    else {
      const bytes = turn.bytes.subarray(0, left);
      left -= bytes.length;
      if (bytes.length > 0) socket.write(bytes);
      if (left === 0) break;
    }
  }
  if (cut?.by === 'reset') raw.resetAndDestroy();
  else socket.end();
  await reader.closed;
  const stored = reader.replies.flatMap((reply) => /^250 2\.6\.0 Stored as (\S+)/.exec(reply)?.[1] ?? []);
  return { replies: reader.replies, stored };
}

class Reader {
  readonly replies: string[] = [];
  readonly closed: Promise<void>;
  private text = '';
  private waited = 0;
  private ended = false;
  private wake: () => void = () => {};

  constructor(raw: Socket) {
    this.closed = new Promise((resolve) => {
      raw.on('close', () => {
        this.ended = true;
        this.wake();
        resolve();
      });
    });
    this.listen(raw);
  }
  async reply(code: string): Promise<void> {
    while (this.replies.length <= this.waited) {
      if (this.ended) throw new Error(`the connection ended before ${code}; last: ${this.replies.at(-1)}`);
      await new Promise<void>((resolve) => {
        this.wake = resolve;
      });
    }
    const reply = this.replies[this.waited] ?? '';
    this.waited += 1;
    if (!reply.startsWith(code)) throw new Error(`${code} was awaited: ${reply}`);
  }
  async secure(raw: Socket, version: string): Promise<Socket> {
    raw.removeAllListeners('data');
    const only = version as 'TLSv1' | 'TLSv1.1' | 'TLSv1.2' | 'TLSv1.3';
    const options = { minVersion: only, maxVersion: only, ciphers: 'DEFAULT:@SECLEVEL=0' };
    const secured = connectTls({ socket: raw, ca: testCa, servername: 'localhost', ...options });
    await new Promise((resolve, reject) => secured.once('secureConnect', resolve).once('error', reject));
    this.listen(secured);
    return secured;
  }
  private listen(socket: Socket): void {
    socket.on('error', () => {});
    socket.on('data', (bytes: Buffer) => {
      this.text += bytes.toString('latin1');
      for (let found = wholeReply(this.text); found !== null; found = wholeReply(this.text)) {
        this.replies.push(found);
        this.text = this.text.slice(found.length);
      }
      this.wake();
    });
  }
}

function wholeReply(text: string): string | null {
  return /^(?:\d{3}-.*\r\n)*\d{3} .*\r\n/.exec(text)?.[0] ?? null;
}
