// Messages for tests of signatures: everything that a relay could break while it hands a message on is in one of them.
// CRLF ends every line, and nothing is in them that SMTP itself may not carry.

export const usualFields =
  'From: Ann <ann@src.example>\r\nTo: you@example.com\r\nSubject: Hello\r\nDate: Mon, 03 Mar 2025 10:00:00 +0000\r\n' +
  'Message-ID: <one@src.example>\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n';
const bytes = (text: string) => Buffer.from(text, 'latin1');
const withBody = (body: string) => bytes(`${usualFields}\r\n${body}`);

/** Each arrives as it is. */
export const signedMessages: readonly [what: string, content: Buffer][] = [
  ['a plain message', withBody('Hello  there,\r\nlast line \t\r\n')],
  ['empty lines at the end', withBody('Hello\r\n\r\n \r\n\r\n\r\n')],
  ['a last line without an end', withBody('Hello\r\nlast')],
  ['no body', withBody('')],
  ['no empty line either', bytes(usualFields)],
  ['a body that begins with empty lines', withBody('\r\n\r\nHello\r\n')],
  ['lines of dots', withBody('.\r\n..\r\n.hidden\r\n. \r\nMAIL FROM:<a@b>\r\n...\r\n.')],
  ['long lines', withBody([997, 998, 999, 5_000, 70_000].map((length) => `${'x'.repeat(length)}\r\n`).join(''))],
  ['NUL and 8-bit bytes', withBody('\0\0a\0\r\n\xff\xfe\x80 \xe4\r\n\x7f\x01\x1b\r\n')],
  ['trailing blanks', withBody('a \t \r\n  b\t\r\n\t\r\n')],
  [
    'folded fields, blanks and cases that nobody writes',
    bytes(
      'from :Ann\r\n\t <ann@src.example> \r\nTO:a@example.com,\r\n b@example.com,\r\n\tc@example.com\r\nsubject:\r\n  folded \t twice\r\n\tmore\r\n' +
        'Date:  Mon, 03 Mar 2025 10:00:00 +0000 (comment)\r\nMessage-Id:\r\n <folded@src.example>\r\nList-Unsubscribe: <mailto:x@src.example>,\r\n' +
        ' <https://src.example/u>\r\nList-Id: A list\r\n\t<list.src.example>\r\nReferences: <1@src.example>\r\n\t<2@src.example>\r\n\r\nHello\r\n',
    ),
  ],
  [
    'fields above the length of a line, in UTF-8 and Latin-1',
    bytes(
      `${usualFields}List-Post: \xc3\xa4 \xe4 ${'y'.repeat(3_000)}\r\nX-Large: ${'z '.repeat(60_000)}\r\n\r\nHello\r\n`,
    ),
  ],
  [
    'several of a field',
    bytes(`Subject: first\r\nReceived: from a (b [192.0.2.9])\r\n${usualFields}Subject: last\r\n\r\nHello\r\n`),
  ],
  [
    'verdicts that a stranger wrote, which nobody signed',
    bytes(
      `X-SES-Spam-Verdict: PASS\r\nAuthentication-Results: amazonses.com;\r\n dmarc=pass\r\n${usualFields}X-SES-Virus-Verdict: PASS\r\nBcc: x@src.example\r\n\r\nHello\r\n`,
    ),
  ],
];
