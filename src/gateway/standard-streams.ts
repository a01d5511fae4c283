// Standard input and output as the socket that a server expects, for SMTP with the program that started us (`sendmail
// -bs`). It has no address and is never secure. A program that can write to it has started this process.

import type { Socket } from 'node:net';
import { Duplex } from 'node:stream';

export function standardStreams(
  input: NodeJS.ReadableStream = process.stdin,
  output: NodeJS.WritableStream = process.stdout,
): Socket {
  const both = Duplex.from({ readable: input, writable: output });
  const socket = {
    readyState: 'open',
    remoteAddress: '127.0.0.1',
    localAddress: '127.0.0.1',
    remotePort: 0,
    localPort: 0,
    setNoDelay: () => both,
    setTimeout: () => both, // its starter ends it, or goes away with it
  };
  return Object.assign(both, socket) as unknown as Socket;
}
