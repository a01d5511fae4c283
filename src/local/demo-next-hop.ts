// The next hop of the shipped configuration: an SMTP server on this machine that puts mail into Maildirs, so that a
// first start delivers mail at once. It refuses refused@… with 550, defers later@… with 451, and greylisted@… once for
// each sender. It takes notices like any mail. It keeps bytes as they came and adds Return-Path alone, as final
// delivery does (RFC 5321 §4.4).

import { createWriteStream, mkdirSync } from 'node:fs';
import { link, rename, rm } from 'node:fs/promises';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { SMTPServer, type SMTPServerDataStream, type SMTPServerSession } from 'smtp-server';
import { folderName } from '#aws-local/ses/mailbox-folder.ts';

/** Where the shipped configuration looks for it. */
export const demoPort = 2526;
/** How a next hop names it. */
export const demoHosts: readonly string[] = ['127.0.0.1', 'localhost'];

/** Listens on 127.0.0.1. Rejects when the port is taken. */
export async function openDemoNextHop(
  folder: string,
  port: number = demoPort,
): Promise<{ readonly port: number; close(): Promise<void> }> {
  let files = 0;
  const greeted = new Set<string>();
  const server = new SMTPServer({
    name: 'mailboxes.localhost',
    authOptional: true,
    disabledCommands: ['STARTTLS', 'AUTH'],
    disableReverseLookup: true,
    logger: false,
    closeTimeout: 500,
    onRcptTo({ address }, { envelope }, callback) {
      const [localPart = ''] = address.toLowerCase().split('@');
      if (localPart === 'refused') return callback(reply(550, '5.1.1 Nobody here has this address'));
      if (localPart === 'later') return callback(reply(451, '4.3.0 Not now, try again later'));
      if (localPart === 'greylisted') {
        const triplet = JSON.stringify([envelope.mailFrom, address]);
        const again = greeted.has(triplet);
        greeted.add(triplet);
        if (!again) return callback(reply(450, '4.7.1 Greylisted, please come back'));
      }
      callback();
    },
    onData(stream, session, callback) {
      store(stream, session).then(
        () => callback(null, '2.0.0 Delivered'),
        (error: Error) => {
          stream.resume();
          callback(reply(451, `4.3.0 ${error.message}`));
        },
      );
    },
  });

  async function store(stream: SMTPServerDataStream, session: SMTPServerSession): Promise<void> {
    const name = `${Date.now()}.${process.pid}_${++files}.localhost`;
    const mailboxes = [...new Set(session.envelope.rcptTo.map(({ address }) => join(folder, folderName(address))))];
    const [first, ...others] = mailboxes;
    if (first === undefined) throw new Error('no recipients');
    for (const mailbox of mailboxes)
      for (const part of ['tmp', 'new', 'cur']) mkdirSync(join(mailbox, part), { recursive: true });
    const { mailFrom } = session.envelope;
    const temporary = join(first, 'tmp', name);
    const file = createWriteStream(temporary);
    file.write(`Return-Path: <${mailFrom === false ? '' : mailFrom.address}>\r\n`);
    try {
      await pipeline(stream, file);
      for (const other of others) await link(temporary, join(other, 'new', name));
      await rename(temporary, join(first, 'new', name));
    } catch (error) {
      await rm(temporary, { force: true });
      throw error;
    }
  }

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

function reply(responseCode: number, message: string): Error {
  return Object.assign(new Error(message), { responseCode });
}
