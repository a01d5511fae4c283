// Gives one message to an SMTP server: one connection, one recipient, no TLS, no login, loopback. Called by
// outgoing.ts, and by the product's demonstration. It is no client for anything else, and shares nothing with the
// product's (adapters/smtp/next-hop.ts).

import { connect } from 'node:net';

export type Handed =
  /** `code` is the final reply's; 0 where the connection failed. */
  { readonly code: number; readonly text: string };

const CR = 0x0d;
const LF = 0x0a;
const DOT = 0x2e;
const PATIENCE_MS = 30_000;

/** Resolves in every case. `reversePath` '' is the null one. */
export function handOver(
  to: { readonly host: string; readonly port: number; readonly helo: string },
  mail: { readonly reversePath: string; readonly forwardPath: string; readonly content: Uint8Array },
): Promise<Handed> {
  return new Promise((resolve) => {
    const socket = connect(to.port, to.host);
    socket.setTimeout(PATIENCE_MS, () => socket.destroy(new Error('the server did not answer')));
    const replies = replyReader();
    const steps: { readonly send: string | Uint8Array; readonly wants: number }[] = [
      { send: `EHLO ${to.helo}\r\n`, wants: 2 },
      { send: `MAIL FROM:<${mail.reversePath}>\r\n`, wants: 2 },
      { send: `RCPT TO:<${mail.forwardPath}>\r\n`, wants: 2 },
      { send: 'DATA\r\n', wants: 3 },
      { send: stuffed(mail.content), wants: 2 },
    ];
    let wants = 2; // the greeting
    let ended = false;
    const end = (handed: Handed): void => {
      if (ended) return;
      ended = true;
      socket.end('QUIT\r\n');
      resolve(handed);
    };
    socket.on('error', (error) => end({ code: 0, text: error.message }));
    socket.on('close', () => end({ code: 0, text: 'the connection was closed' }));
    socket.on('data', (chunk) => {
      for (const reply of replies(chunk)) {
        if (Math.floor(reply.code / 100) !== wants) return end(reply);
        const next = steps.shift();
        if (next === undefined) return end(reply);
        wants = next.wants;
        socket.write(next.send);
      }
    });
  });
}

/** Returns the replies that are complete so far (RFC 5321 §4.2.1). */
function replyReader(): (chunk: Buffer) => Handed[] {
  let text = '';
  let lines: string[] = [];
  return (chunk) => {
    const found: Handed[] = [];
    text += chunk.toString('latin1');
    for (let end = text.indexOf('\n'); end >= 0; end = text.indexOf('\n')) {
      const line = text.slice(0, end).replace(/\r$/, '');
      text = text.slice(end + 1);
      lines.push(line.slice(4));
      if (line.charAt(3) === '-') continue;
      found.push({ code: Number(line.slice(0, 3)) || 0, text: `${line.slice(0, 3)} ${lines.join(' ')}` });
      lines = [];
    }
    return found;
  };
}

/** Every line ended by CRLF, dots doubled, the final dot (RFC 5321 §4.5.2). */
function stuffed(content: Uint8Array): Uint8Array {
  const out = Buffer.allocUnsafe(content.length * 2 + 5);
  let at = 0;
  let lineStart = true;
  let last = LF;
  for (const byte of content) {
    if (byte === LF && last !== CR) out[at++] = CR;
    if (lineStart && byte === DOT) out[at++] = DOT;
    out[at++] = byte;
    lineStart = byte === LF;
    last = byte;
  }
  if (!lineStart) at += out.write('\r\n', at, 'latin1');
  at += out.write('.\r\n', at, 'latin1');
  return out.subarray(0, at);
}
