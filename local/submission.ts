// The submission port, until submission is built: it greets, and refuses every MAIL with a reply that says so. It never takes a
// message, so nobody can take it for a way out that works.

import type { AddressInfo } from 'node:net';
import { SMTPServer } from 'smtp-server';

/** Listens on 127.0.0.1. Rejects when the port is taken. */
export async function openSubmission(
  port: number,
  host: string,
): Promise<{ readonly port: number; close(): Promise<void> }> {
  const server = new SMTPServer({
    name: host,
    authOptional: true,
    disabledCommands: ['STARTTLS', 'AUTH'],
    disableReverseLookup: true,
    logger: false,
    closeTimeout: 500,
    onMailFrom: (_address, _session, callback) =>
      callback(
        Object.assign(new Error('5.3.2 Submission is not built yet: nothing was accepted'), { responseCode: 554 }),
      ),
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, '127.0.0.1', resolve);
  });
  server.on('error', () => {}); // a client that breaks off
  return {
    port: (server.server.address() as AddressInfo).port,
    close: () => new Promise((resolve) => server.close(() => resolve())),
  };
}
