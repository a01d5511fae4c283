// Paths as SMTP, SES and people write them: what is a mailbox, what is none, and what is the null reverse-path.
// Every way to smuggle a line break or another command into an envelope stands here as a row.

import { describe, expect, test } from 'vitest';
import {
  formatPath,
  mailboxKey,
  needsSmtputf8,
  parseMailbox,
  parseReversePath,
  parseSubmittedPath,
  sameMailbox,
} from '#core/message/address.ts';

const mailbox = (text: string) => {
  const parsed = parseMailbox(text);
  if (parsed === null) throw new Error(`no mailbox: ${text}`);
  return parsed;
};

describe('a mailbox keeps its address, and has a comparable domain', () => {
  test.each([
    // text, local part, domain key
    ['ann@src.example', 'ann', 'src.example'],
    ["Ann.O'Neil+tag@Src.EXAMPLE", "Ann.O'Neil+tag", 'src.example'],
    ["!#$%&'*+/=?^_`{|}~-@src.example", "!#$%&'*+/=?^_`{|}~-", 'src.example'],
    ['"a b"@src.example', 'a b', 'src.example'],
    ['"a\\"b\\\\@c"@src.example', 'a"b\\@c', 'src.example'],
    ['""@src.example', '', 'src.example'],
    ['"josé maría"@src.example', 'josé maría', 'src.example'],
    // RFC 5321 forbids these dots; docomo.ne.jp gave them out for years
    ['taro..san.@docomo.example', 'taro..san.', 'docomo.example'],
    ['.dot@src.example', '.dot', 'src.example'],
    // SMTPUTF8 and IDN
    ['jürgen@bücher.example', 'jürgen', 'xn--bcher-kva.example'],
    ['用户@例子.测试', '用户', 'xn--fsqu00a.xn--0zwm56d'],
    ['пользователь@ПОЧТА.рф', 'пользователь', 'xn--80a1acny.xn--p1ai'],
    ['taro@例え。jp', 'taro', 'xn--r8jz45g.jp'], // ideographic full stop
    ['ann@straße.example', 'ann', 'xn--strae-oqa.example'],
    ['ann@XN--BCHER-KVA.example', 'ann', 'xn--bcher-kva.example'],
    // odd but real hosts
    ['root@localhost', 'root', 'localhost'],
    ['root@build_host.example', 'root', 'build_host.example'],
    // address literals, RFC 5321 §4.1.3
    ['ann@[192.0.2.1]', 'ann', '[192.0.2.1]'],
    ['ann@[IPv6:2001:DB8::1]', 'ann', '[ipv6:2001:db8::1]'],
    // VERP goes beyond 64 octets, and what was accepted must have a path for its notice
    [`${'v'.repeat(200)}@src.example`, 'v'.repeat(200), 'src.example'],
    [`a@${'l'.repeat(63)}.example`, 'a', `${'l'.repeat(63)}.example`],
  ])('%s', (text, localPart, domainKey) => {
    expect(parseMailbox(text)).toMatchObject({ address: text, localPart, domainKey });
  });

  test.each([
    ['no domain', 'postmaster'],
    ['no local part', '@src.example'],
    ['nothing', ''],
    ['only an at', '@'],
    ['empty domain', 'ann@'],
    ['two unquoted ats', 'ann@b@src.example'],
    ['angle brackets', '<ann@src.example>'],
    ['a display name', 'Ann <ann@src.example>'],
    ['a blank in front', ' ann@src.example'],
    ['a blank unquoted', 'an n@src.example'],
    ['a comma', 'ann,bob@src.example'],
    ['an injected command', 'ann@src.example>\r\nRCPT TO:<eve@src.example'],
    ['CR in the local part', 'an\rn@src.example'],
    ['LF in a quoted local part', '"an\nn"@src.example'],
    ['LF at the very end', 'ann@src.example\n'],
    ['NUL', 'an\0n@src.example'],
    ['DEL', 'an\x7fn@src.example'],
    ['a C1 control', 'an\u0085n@src.example'],
    ['a line separator', 'an\u2028n@src.example'],
    ['bytes that were lost in decoding', 'an\ufffdn@src.example'],
    ['a lone surrogate', 'an\ud800n@src.example'],
    ['an open quote', '"ann@src.example'],
    ['a quote inside quotes', '"a"b"@src.example'],
    ['a backslash before the closing quote', '"ann\\"@src.example'],
    ['an empty label', 'ann@src..example'],
    ['a dot at the end of the domain', 'ann@src.example.'],
    ['a hyphen at the start of a label', 'ann@-src.example'],
    ['a hyphen at the end of a label', 'ann@src-.example'],
    ['a path in the domain', 'ann@bücher.example/../evil'],
    ['a port in the domain', 'ann@bücher.example:25'],
    ['a percent escape in the domain', 'ann@b%C3%BCcher.exämple'],
    ['user information in the domain', 'ann@ü%40evil.example'],
    ['a full-width solidus in the domain', 'ann@ü／evil.example'],
    ['an IPv4 literal out of range', 'ann@[192.0.2.256]'],
    ['an IPv4 literal too short', 'ann@[192.0.2]'],
    ['a literal without its end', 'ann@[192.0.2.1'],
    ['an empty literal', 'ann@[]'],
    ['a bracket in a literal', 'ann@[IPv6:[::1]'],
    ['a label of 64 octets', `ann@${'l'.repeat(64)}.example`],
    ['a domain of more than 255 octets', `ann@${'label.'.repeat(43)}example`],
    ['a local part of more than 255 octets', `${'ü'.repeat(128)}@src.example`],
    ['a megabyte', `${'a'.repeat(1_000_000)}@src.example`],
  ])('none: %s', (_, text) => {
    expect(parseMailbox(text)).toBeNull();
  });
});

describe('a reverse-path of a submitter', () => {
  test.each<[string, string | null | undefined]>([
    ['', null],
    ['<>', null],
    ['mailer-daemon@far.example', 'mailer-daemon@far.example'],
    ['<MAILER-DAEMON@src.example>', 'MAILER-DAEMON@src.example'],
    ['MAILER-DAEMON', undefined],
    ['<@relay.example:ann@src.example>', 'ann@src.example'],
  ])('%j', (text, expected) => {
    const path = parseSubmittedPath(text);
    expect(path === null || path === undefined ? path : path.address).toBe(expected);
  });
});

describe('a reverse-path', () => {
  test.each([
    [''],
    ['<>'],
    [' <> '],
    [undefined],
    [null],
    ['MAILER-DAEMON'],
    ['<MAILER-DAEMON>'],
    ['Mailer-Daemon@amazonses.com'],
  ])('null: %j', (text) => {
    expect(parseReversePath(text)).toBeNull();
  });

  test.each([
    ['ann@src.example', 'ann@src.example'],
    ['<ann@src.example>', 'ann@src.example'],
    ['<@a.example,@b.example:ann@src.example>', 'ann@src.example'],
    ['@a.example:"x:y"@src.example', '"x:y"@src.example'],
    ['<ann@[IPv6:::1]>', 'ann@[IPv6:::1]'],
    ['mailer-daemons@src.example', 'mailer-daemons@src.example'],
  ])('%s', (text, address) => {
    expect(parseReversePath(text)?.address).toBe(address);
  });

  test.each([
    ['<ann@src.example'],
    ['ann'],
    ['<<ann@src.example>>'],
    ['@a.example'],
    ['@a.example,ann@src.example'],
    ['a@x\r\n'.repeat(2)],
  ])('none: %j', (text) => {
    expect(parseReversePath(text)).toBeUndefined();
  });

  test('comes back from the ledger as it went in', () => {
    const path = parseReversePath('<"a b"@Bücher.example>');
    expect(parseReversePath(path?.address)).toEqual(path);
  });
});

describe('on the wire', () => {
  test.each([
    ['ann@src.example', '<ann@src.example>', '<ann@src.example>', false],
    ['ann@Bücher.example', '<ann@xn--bcher-kva.example>', '<ann@Bücher.example>', false],
    ['"ü@x"@bücher.example', '<"ü@x"@xn--bcher-kva.example>', '<"ü@x"@bücher.example>', true],
    ['jürgen@src.example', '<jürgen@src.example>', '<jürgen@src.example>', true],
  ])('%s', (text, plain, utf8, needs) => {
    expect(formatPath(mailbox(text))).toBe(plain);
    expect(formatPath(mailbox(text), true)).toBe(utf8);
    expect(needsSmtputf8(mailbox(text))).toBe(needs);
  });

  test('the null reverse-path is <> and needs nothing', () => {
    expect(formatPath(null)).toBe('<>');
    expect(needsSmtputf8(null)).toBe(false);
  });
});

test.each([
  ['Ann@SRC.example', 'ann@src.example', true],
  ['"ann"@src.example', 'ann@src.example', true],
  ['jose\u0301@src.example', 'JOS\u00c9@src.example', true],
  ['ann@bücher.example', 'ann@xn--bcher-kva.example', true],
  ['ann+x@src.example', 'ann@src.example', false],
  ['ann@a.src.example', 'ann@src.example', false],
])('%s and %s are the same mailbox: %s', (a, b, same) => {
  expect(sameMailbox(mailbox(a), mailbox(b))).toBe(same);
  expect(mailboxKey(mailbox(a)) === mailboxKey(mailbox(b))).toBe(same);
});
