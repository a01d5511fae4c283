// sendmail's command line as programs write it, and the message that comes of what they pipe: line ends, dots, headers,
// Bcc.

import { describe, expect, it, test } from 'vitest';
import { parseMailbox } from '#core/message/address.ts';
import { readArguments } from '#core/message/recipient-list.ts';
import { readSendmailArguments } from '#core/submission/sendmail-arguments.ts';
import { asLines, completed, needsDeclaration, recipientsInHeader } from '#core/submission/sendmail-message.ts';

function read(...args: string[]) {
  const found = readSendmailArguments(args);
  if (found.kind === 'wrong') throw new Error(found.why);
  return found;
}

describe('the command line', () => {
  const none = { mode: 'message', fromHeader: false, dotsAreText: false, reversePath: null, fullName: null };
  const calls: [args: string[], expected: object][] = [
    [['bob@x'], { ...none, recipients: ['bob@x'] }],
    [['-t', '-i'], { fromHeader: true, dotsAreText: true }],
    [['-ti'], { fromHeader: true, dotsAreText: true }],
    [['-oi', '-fann@x', '--', '-bob'], { dotsAreText: true, reversePath: 'ann@x', recipients: ['-bob'] }],
    [
      ['-i', '-FCronDaemon', '-odi', '-oem', '-oi', '-t', '-f', 'root'],
      { fullName: 'CronDaemon', reversePath: 'root' },
    ], // Vixie cron
    [['-FCronDaemon', '-i', '-B8BITMIME', '-oem', 'root'], { recipients: ['root'] }], // Debian cron
    [['-t', '-i', '-f', 'www-data@x'], { reversePath: 'www-data@x' }], // PHP
    [['-f', '', 'bob'], { reversePath: '' }],
    [['-f<>', 'bob'], { reversePath: '<>' }],
    [['-v', '-em', '-q30m', '-O', 'DeliveryMode=b', '-om', '-U', '-n', '-L', 'tag', 'bob'], { recipients: ['bob'] }],
    [['-bs'], { mode: 'smtp' }],
    [['-bm', 'bob'], { mode: 'message' }],
    [['-N', 'success,DELAY', '-R', 'hdrs', '-V', 'a+2Bb'], { notify: ['SUCCESS', 'DELAY'], ret: 'HDRS', envid: 'a+b' }],
    [['-Nnever', '-Rfull'], { notify: ['NEVER'], ret: 'FULL' }],
    [['--submitter', 'web', '--bucket=b'], { own: { submitter: 'web', bucket: 'b' } }],
  ];
  test.each(calls)('%j', (args, expected) => {
    expect(read(...args)).toMatchObject(expected);
  });
  test.each([
    ['-bp'],
    ['-bi'],
    ['-Z'],
    ['-f'],
    ['-Nnever,delay'],
    ['-Nsometimes'],
    ['-Rsome'],
    ['-Va b'],
    ['--nothing', 'x'],
  ])('%s is wrong', (...args) => {
    expect(readSendmailArguments(args).kind).toBe('wrong');
  });
});

describe('an option of ours that a web page’s user may have written', () => {
  const OURS = ['submitter', 'bucket', 'stack', 'data', 'domain', 'config'];
  // PHP's mail() hands on its fifth argument behind its own; others put an address, or a name, where the user says what
  // it is.
  const before: readonly (readonly string[])[] = [
    ['-t', '-i'],
    ['-om'],
    ['-fann@x'],
    ['bob@x'],
    ['--'],
    ['--submitter', 'web', '-t'],
  ];
  test.each(before)('behind %s %s %s', (...words) => {
    const given = words.filter((word) => word !== undefined);
    for (const name of OURS)
      for (const written of [[`--${name}`, 'evil'], [`--${name}=evil`]]) {
        const found = readSendmailArguments([...given, ...written]);
        if (found.kind === 'wrong') expect(found.why).toContain('stand before those of sendmail');
        else {
          expect(found.own[name]).not.toBe('evil');
          expect(given).toContain('--'); // behind that all are recipients
        }
      }
  });
  test('as a value is a value', () => {
    expect(read('-f', '--bucket', '-F', '--config=/tmp/evil', 'bob@x')).toMatchObject({
      reversePath: '--bucket',
      own: {},
    });
  });
  test('of a great length is not said whole', () => {
    const found = readSendmailArguments(['-t', `--${'x'.repeat(10_000)}`]);
    expect(found.kind === 'wrong' && found.why.length).toBeLessThan(200);
  });
});

describe('lines', () => {
  test.each([
    ['a\nb\n', 'a\r\nb\r\n'],
    ['a\r\nb\r\n', 'a\r\nb\r\n'],
    ['a\nb', 'a\r\nb\r\n'],
    ['a\rb\n', 'a\rb\r\n'],
    ['a\r\r\n', 'a\r\r\n'],
    ['a\r', 'a\r\r\n'],
    ['a\n.\nb\n', 'a\r\n'],
    ['a\n.\r\nb\n', 'a\r\n'],
    ['a\n..\n.b\n', 'a\r\n..\r\n.b\r\n'],
    ['.', ''],
    ['', ''],
    ['\xe9\x00\n', '\xe9\x00\r\n'],
  ])('%j', (text, lines) => {
    expect(Buffer.from(asLines(Buffer.from(text, 'latin1'), false)).toString('latin1')).toBe(lines);
  });
  it('keeps a lone dot where dots are text', () => {
    expect(String(asLines(Buffer.from('a\n.\nb\n'), true))).toBe('a\r\n.\r\nb\r\n');
  });
});

describe('recipients', () => {
  const inHeader = (text: string) => {
    const { mailboxes, unreadable } = recipientsInHeader(Buffer.from(text), 'example.com');
    return [mailboxes.map(({ address }) => address), unreadable];
  };
  test.each([
    ['To: a@x.example\r\n', ['a@x.example'], []],
    [
      'to: "A, B" <a@x.example> (c, d), root\r\n\t, c@y.example\r\nCC: Group: d@x.example, e@x.example;\r\nBcc: a@x.example\r\n',
      ['a@x.example', 'root@example.com', 'c@y.example', 'd@x.example', 'e@x.example'],
      [],
    ],
    ['To: undisclosed-recipients:;\r\n', [], []],
    ['To: a@x.example\r\nResent-To: b@x.example\r\nResent-Bcc: c@x.example\r\n', ['b@x.example', 'c@x.example'], []],
    ['To: "a b@c"@x.example, a@@x\r\n', ['"a b@c"@x.example'], ['a@@x']],
    ['Subject: x\r\n\r\nTo: a@x.example\r\n', [], []],
    ['To: =?utf-8?q?J=C3=B6?= <jö@bücher.example>\r\n', ['jö@bücher.example'], []],
  ])('%j', (text, addresses, unreadable) => {
    expect(inHeader(text)).toEqual([addresses, unreadable]);
  });
  it('on the command line: completed, once each', () => {
    const { mailboxes } = readArguments(['root', '<a@x.example>', 'root@example.com'], 'example.com');
    expect(mailboxes.map(({ address }) => address)).toEqual(['root@example.com', 'a@x.example']);
  });
  it('reads a thousand', () => {
    const all = Array.from({ length: 1_000 }, (_, i) => `r${i}@x.example`);
    expect(inHeader(`To: ${all.join(',\r\n ')}\r\n`)[0]).toEqual(all);
  });
});

describe('a declaration of SMTPUTF8', () => {
  test.each<[boolean, string, Buffer, string[]]>([
    [false, 'ASCII', Buffer.from('Subject: Hi\r\n\r\nGr\u00fc\u00dfe\r\n'), ['ann@x']],
    [true, 'UTF-8 in a field', Buffer.from('Subject: Gr\u00fc\u00dfe\r\n\r\n'), ['ann@x']],
    [false, 'Latin-1 in a field', Buffer.from('Subject: Gr\xfc\xdfe\r\n\r\n', 'latin1'), ['ann@x']],
    [true, 'an address', Buffer.from('Subject: Hi\r\n\r\n'), ['ann@x', 'j\u00f6@x']],
  ])('%s: %s', (declared, _, content, paths) => {
    expect(needsDeclaration(content, paths)).toBe(declared);
  });
});

describe('the message', () => {
  const mailbox = parseMailbox('ann@example.com');
  if (mailbox === null) throw new Error('no mailbox');
  const at = Date.UTC(2026, 10, 22, 22, 46, 47);
  const made = (text: string, withoutBcc = false) =>
    Buffer.from(
      completed(Buffer.from(text, 'latin1'), {
        from: { name: 'Ann B', mailbox },
        at,
        messageIdField: '<1@example.com>',
        withoutBcc,
        received: 'Received: R\r\n',
      }),
    ).toString('latin1');
  const from = 'From: "Ann B" <ann@example.com>\r\n';
  const date = 'Date: Sun, 22 Nov 2026 22:46:47 +0000\r\n';
  const id = 'Message-ID: <1@example.com>\r\n';
  test.each([
    ['Subject: s\r\n\r\nb\r\n', `Received: R\r\n${from}${date}${id}Subject: s\r\n\r\nb\r\n`],
    [
      'FROM: x\r\ndate: y\r\nMessage-Id: z\r\n\r\nb\r\n',
      'Received: R\r\nFROM: x\r\ndate: y\r\nMessage-Id: z\r\n\r\nb\r\n',
    ],
    ['just text\r\n', `Received: R\r\n${from}${date}${id}\r\njust text\r\n`],
    ['just text\r\nFrom: the body\r\n', `Received: R\r\n${from}${date}${id}\r\njust text\r\nFrom: the body\r\n`],
    ['\r\nbody\r\n', `Received: R\r\n${from}${date}${id}\r\nbody\r\n`],
    ['', `Received: R\r\n${from}${date}${id}`],
    ['From ann Sun Nov 22\r\nSubject: s\r\n\r\nb\r\n', `Received: R\r\n${from}${date}${id}Subject: s\r\n\r\nb\r\n`],
    ['\xef\xbb\xbfSubject: s\r\n\r\nb\r\n', `Received: R\r\n${from}${date}${id}Subject: s\r\n\r\nb\r\n`],
    ['Bcc: x@y\r\n\r\n', `Received: R\r\n${from}${date}${id}Bcc: x@y\r\n\r\n`],
  ])('%j', (text, expected) => {
    expect(made(text)).toBe(expected);
  });
  it('loses Bcc, folded lines and all, where the header named the recipients; no other byte', () => {
    const text = `${from}${date}${id}BCC: a@x,\r\n\tb@x\r\nX: \xe9\x00\r\nResent-Bcc:c@x\r\n\r\nBcc: body\r\n`;
    expect(made(text, true)).toBe(`Received: R\r\n${from}${date}${id}X: \xe9\x00\r\n\r\nBcc: body\r\n`);
  });
});
