// The built-in next hop and the submission port, spoken to over a socket.
// The first keeps every byte; the second takes nothing.

import { mkdtempSync, readdirSync, readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { folderName } from '#aws-local/ses/mailbox-folder.ts';
import { openDemoNextHop } from '#local/demo-next-hop.ts';
import { refuseSubmission } from '#local/submission-port.ts';

const closing: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0)) await close();
});

/** Sends each line after the reply to the one before; gives all final reply lines. */
function dialogue(port: number, lines: readonly string[]): Promise<string[]> {
  return new Promise((resolve, reject) => {
    const replies: string[] = [];
    const rest = [...lines];
    const socket = connect(port, '127.0.0.1');
    let text = '';
    socket.on('error', reject);
    socket.on('close', () => resolve(replies));
    socket.on('data', (chunk) => {
      text += chunk.toString();
      for (let end = text.indexOf('\r\n'); end >= 0; end = text.indexOf('\r\n')) {
        const line = text.slice(0, end);
        text = text.slice(end + 2);
        if (line.charAt(3) === '-') continue;
        replies.push(line);
        const next = rest.shift();
        if (next === undefined) socket.end();
        else socket.write(`${next}\r\n`);
      }
    });
  });
}

describe('the built-in next hop', () => {
  it('puts mail into a Maildir per recipient, bytes as they came', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'mailboxes-'));
    const { port, close } = await openDemoNextHop(folder, 0);
    closing.push(close);
    await dialogue(port, [
      'EHLO test',
      'MAIL FROM:<>',
      'RCPT TO:<Ann@example.com>',
      'RCPT TO:<bob@example.com>',
      'DATA',
      'Subject: t\r\n\r\n..a dot\r\nend\r\n.',
      'QUIT',
    ]);
    for (const mailbox of ['ann@example.com', 'bob@example.com']) {
      const [name = '', ...others] = readdirSync(join(folder, mailbox, 'new'));
      expect(others).toEqual([]);
      expect(readFileSync(join(folder, mailbox, 'new', name), 'latin1')).toBe(
        'Return-Path: <>\r\nSubject: t\r\n\r\n.a dot\r\nend\r\n',
      );
      expect(readdirSync(join(folder, mailbox, 'tmp'))).toEqual([]);
    }
  });

  it('refuses one address and puts another off', async () => {
    const { port, close } = await openDemoNextHop(mkdtempSync(join(tmpdir(), 'mailboxes-')), 0);
    closing.push(close);
    const replies = await dialogue(port, [
      'EHLO test',
      'MAIL FROM:<a@src.example>',
      'RCPT TO:<refused@example.com>',
      'RCPT TO:<later@example.com>',
      'QUIT',
    ]);
    expect(replies.slice(3, 5)).toEqual([
      '550 5.1.1 Nobody here has this address',
      '451 4.3.0 Not now, try again later',
    ]);
  });

  it.each([
    ['Ann@Example.com', 'ann@example.com'],
    ['../x@example.com', '%2e%2e%2fx@example.com'],
    ['"a b"@example.com', '%22a%20b%22@example.com'],
    ['ä@example.com', 'ä@example.com'],
  ])('keeps %s in the folder %s', (address, folder) => {
    expect(folderName(address)).toBe(folder);
  });

  it('keeps an address of any length in a folder of its own', () => {
    const [one, other] = [folderName(`${'a'.repeat(300)}@x.example`), folderName(`${'a'.repeat(301)}@x.example`)];
    expect(one).not.toBe(other);
    expect(one.length).toBeLessThan(255);
  });
});

describe('the submission port', () => {
  it('refuses every MAIL where there are no submitters, and says why', async () => {
    const { port, close } = await refuseSubmission(0, 'example.com');
    closing.push(close);
    const replies = await dialogue(port, ['EHLO test', 'MAIL FROM:<a@example.com>', 'QUIT']);
    expect(replies[2]).toBe('554 5.3.2 The configuration has no submitters: nothing was accepted');
  });
});
