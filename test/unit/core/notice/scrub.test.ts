// The routed address in other people's words: in every form in which mail systems and people write an address it is
// gone from what the sender reads, however it is wrapped; and no address that the sender knows is touched. The readings
// here are the test's own.

import { describe, expect, it } from 'vitest';
import { composeNotice } from '#core/notice/compose.ts';
import type { NoticeInput, NoticeRecipient } from '#core/notice/input.ts';
import { scrubber } from '#core/notice/scrub.ts';
import { statusOf } from '#core/reply/status.ts';
import { ownMsSince } from '../../../kit/own-time.ts';

const hex = (char: string) => Buffer.from(char).toString('hex').toUpperCase();
const each = (text: string, form: (char: string) => string) => [...text].map(form).join('');
const bytesOf = (text: string, sign: string) => hex(text).replace(/../g, (two) => `${sign}${two}`);

type Form = (local: string, domain: string) => string;
/** The whole address. */
const WHOLE: Readonly<Record<string, Form>> = {
  plain: (l, d) => `${l}@${d}`,
  angle: (l, d) => `Box <${l}@${d}>`,
  upper: (l, d) => `${l}@${d}`.toUpperCase(),
  quoted: (l, d) => `"${l}"@${d}`,
  'quoted pairs': (l, d) => `"${each(l, (c) => `\\${c}`)}"@${d}`,
  'percent hack': (l, d) => `${l}%${d}@relay.test`,
  bang: (l, d) => `relay!${d}!${l}`,
  verp: (l, d) => `list-owner+${l}=${d}@lists.test`,
  srs: (l, d) => `SRS0=HHH=TT=${d}=${l}@forward.test`,
  srs1: (l, d) => `SRS1=HHH=other.test==HHH=TT=${d}=${l}@forward.test`,
  batv: (l, d) => `prvs=1234abcdef=${l}@${d}`,
  'url encoded': (l, d) => `https://help.test/?u=${l}%40${d}`,
  'url encoded whole': (l, d) => `https://help.test/?u=${bytesOf(`${l}@${d}`, '%')}`,
  'quoted-printable': (l, d) => `${l}=40${d}`,
  'quoted-printable whole': (l, d) => bytesOf(`${l}@${d}`, '='),
  'quoted-printable broken': (l, d) => `${l.slice(0, 2)}=\r\n${l.slice(2)}@${d}`,
  xtext: (l, d) => `rfc822;${l}+40${d}`,
  'xtext whole': (l, d) => bytesOf(`${l}@${d}`, '+'),
  imceasmtp: (l, d) => `IMCEASMTP-${l}+40${d.replaceAll('.', '+2E')}@exchange.test`,
  'utf-8 escapes': (l, d) => `utf-8;${each(l, (c) => `\\x{${hex(c).replace(/^0+/, '')}}`)}@${d}`,
  'json escapes': (l, d) => `{"to":"${l}\\u0040${d}"}`,
  'html entities': (l, d) => `${l}&#64;${d}`,
  'html entities in hexadecimal': (l, d) => `${each(`${l}@${d}`, (c) => `&#x${hex(c)};`)}`,
  'html named': (l, d) => `&lt;${l}&commat;${d}&gt;`,
  base64: (l, d) => `ref ${Buffer.from(`rcpt ${l}@${d} no`).toString('base64')}`,
  'base64 with something in front': (l, d) => `ref ${Buffer.from(`a rcpt ${l}@${d} no`).toString('base64').slice(1)}`,
  'encoded word': (l, d) => `=?utf-8?B?${Buffer.from(`to ${l}@${d}`).toString('base64')}?=`,
  'encoded word, Q': (l, d) => `=?utf-8?Q?to_${l}=40${d}?=`,
  'two encoded words': (l, d) => `=?utf-8?Q?to_${l}?= =?utf-8?Q?=40${d}?=`,
  folded: (l, d) => `${l}\r\n @${d}`,
  'folded behind the sign': (l, d) => `${l}@\r\n\t${d}`,
  'broken by the reply’s lines': (l, d) => `${l}@${d.slice(0, 3)} ${d.slice(3)}`,
  spaced: (l, d) => `${l} @ ${d}`,
  'at and dot': (l, d) => `${l} (at) ${d.replaceAll('.', ' (dot) ')}`,
  'in words': (l, d) => `${l} at ${d}`,
  defanged: (l, d) => `${l}[@]${d.replaceAll('.', '[.]')}`,
  commented: (l, d) => `${l}(comment)@${d}`,
  'zero width': (l, d) => `${l}\u200b@${d}`,
  'soft hyphen': (l, d) => `${l.slice(0, 2)}\u00ad${l.slice(2)}@${d}`,
  'control characters': (l, d) => `${l}\u0001@${d}`,
  'full width': (l, d) => `${l}\uff20${d}`,
  'another sub-address': (l, d) => `${l}+else@${d}`,
  'trailing dot': (l, d) => `${l}@${d}.`,
};
/** Of a remark on one recipient alone. */
const ECHOES: Readonly<Record<string, Form>> = {
  'at another host': (l) => `${l}@mbx01.store.test`,
  'local part in brackets': (l) => `<${l}>: unknown`,
  'local part quoted': (l) => `no such user '${l}'`,
  'local part alone': (l) => `user ${l} unknown`,
  'local part with a sign': (l) => `uid=${l}, no mailbox`,
  'local part in a path': (l) => `cannot append to /var/mail/${l}`,
  'local part encoded': (l) => `uid%3D${bytesOf(l, '%')}`,
  'local part in capitals': (l) => `USER ${l.toUpperCase()} UNKNOWN`,
  'domain alone': (_, d) => `relaying to ${d} denied`,
};

const WRITTEN = 'sales@in.test';
const TARGETS = [
  ['box4711', 'store.test'],
  ['verborgen', 'geheim-ß.test'],
  ['Kept.Back', 'intern.hidden.test'],
  ['anna+private', 'mail.store.test'],
  ['orders', 'store.test'],
  ['jörg', 'bücher.test'],
] as const;

function inputFor(routed: string, said: string, written = WRITTEN): NoticeInput {
  const recipient: NoticeRecipient = {
    ...{ forwardPath: written, originalRecipient: null, routedAddress: routed, status: statusOf('5.1.1') },
    ...{ reply: { code: 550, status: statusOf('5.1.1'), text: said, host: 'mx.next.test' }, detail: null },
    ...{ attempts: 1, firstAttemptAt: 0, lastAttemptAt: 0, willRetryUntil: null, expired: false },
  };
  return {
    ...{ kind: 'ndr', from: 'postmaster@in.test', postmaster: 'postmaster@in.test', reportingMta: 'in.test' },
    to: { address: 'ann@src.test', localPart: 'ann', domain: 'src.test', domainKey: 'src.test' },
    ...{ messageIdField: '<ndr.1@in.test>', marker: '', now: 0, smtputf8: false, threading: true },
    message: {
      ...{ spoolId: 'm1', direction: 'inbound', reversePath: 'ann@src.test', objectKey: 'in/m1', size: null },
      extract: { from: null, to: null, date: null, subject: said, messageIdField: null, autoSubmitted: null },
      ...{ objectVersion: null, verdicts: null, acceptedAt: 0, configVersion: '1' },
    },
    recipients: [recipient],
    original: { kind: 'headers', bytes: Buffer.from(`Subject: x\r\nX-Said: ${said}\r\n\r\n`) },
  };
}

/** As somebody reads it who undoes every encoding that he knows, white space left out. */
function readings(text: string): string[] {
  const undone = [
    (t: string) => t,
    (t: string) => t.replace(/=\r?\n/g, '').replace(/[%=+]([0-9a-f]{2})/gi, (_, two) => latin1(two)),
    (t: string) =>
      t.replace(/\\x\{([0-9a-f]{1,6})\}|\\u([0-9a-f]{4})/gi, (_, a, b) =>
        String.fromCodePoint(Number.parseInt(a ?? b, 16)),
      ),
    (t: string) => t.replace(/&#x([0-9a-f]+);/gi, (_, a) => String.fromCodePoint(Number.parseInt(a, 16))),
    (t: string) => t.replace(/&#(\d+);/g, (_, a) => String.fromCodePoint(Number(a))).replaceAll('&commat;', '@'),
    (t: string) =>
      t.replace(/[A-Za-z0-9+/]{12,}={0,2}/g, (run) =>
        [0, 1, 2, 3].map((skip) => Buffer.from(run.slice(skip), 'base64').toString('utf8')).join(' '),
      ),
    (t: string) => t.replace(/\\(.)/g, '$1').replace(/\?=\s+=\?utf-8\?q\?/gi, ''),
    (t: string) => t.replace(/[[({](\.|@|at|dot)[\])}]/g, (_, a) => ({ at: '@', dot: '.' })[a as string] ?? a),
  ];
  const latin = [text, ...undone.map((undo) => undo(text)), undone.reduce((all, undo) => undo(all), text)];
  return latin
    .flatMap((t) => [t, Buffer.from(t, 'latin1').toString('utf8')])
    .map((t) =>
      t
        .normalize('NFKC')
        .replace(/[\s\u0000-\u001f\u00ad\u200b]/gu, '')
        .toLowerCase(),
    );
}
const latin1 = (two: string) => String.fromCharCode(Number.parseInt(two, 16));

describe.each(Object.entries({ ...WHOLE, ...ECHOES }))('%s', (name, form) => {
  it.each(TARGETS)('%s@%s is gone from the remark', (local, domain) => {
    const said = `before ${form(local, domain)} after`;
    const input = inputFor(`${local}@${domain}`, said);
    const remark = scrubber(input).remark(input.recipients[0], said);
    const secrets = [
      `${local}@${domain}`,
      `${domain}=${local}`,
      `${local}=${domain}`,
      local,
      ...(name in ECHOES ? [domain] : []),
    ];
    for (const text of readings(remark))
      for (const secret of secrets) expect(text).not.toContain(secret.normalize('NFKC').toLowerCase());
    expect(remark).toMatch(/^before .*after$/s);
  });
});

describe.each(Object.entries(WHOLE))('%s', (_, form) => {
  it.each(TARGETS)('%s@%s is gone from the whole notice', (local, domain) => {
    const said = `before ${form(local, domain)} after`;
    const notice = Buffer.from(composeNotice(inputFor(`${local}@${domain}`, said))).toString('latin1');
    const unfolded = notice.replace(/=\r\n/g, '').replace(/\r\n[ \t]+/g, '');
    for (const text of [notice, unfolded].flatMap(readings))
      for (const secret of [`${local}@${domain}`, `${domain}=${local}`, `${domain}!${local}`])
        expect(text).not.toContain(secret.normalize('NFKC').toLowerCase());
  });
});

describe('what the sender knows stays as he wrote it', () => {
  it.each([
    ['sales@in.test', 'box@store.test', '<sales@in.test>: user sales unknown at in.test'],
    ['bob@in.test', 'bob@store.test', '<bob@in.test>: mailbox of bob is full'],
    ['bob@in.test', 'bob+x@in.test', '<bob@in.test>: no mailbox bob'],
    ['bob.box@in.test', 'box@store.test', '<bob.box@in.test> is unknown'],
    ['box@in.test', 'box@mail.in.test', '<box@in.test>: box is full'],
    ['sales@in.test', 'orders@in.test', 'sales@in.test: unknown domain in.test'],
    ['sales@in.test', 'info@store.test', 'for info see the mail policy, or ask info desks'],
    ['sales@in.test', 'box@store.test', 'ann@src.test may not write to sales%40in.test, nor sales=in.test'],
    ['sales@in.test', 'box@store.test', 'id 5F5A0=40; +40 +41; =3D; &#64; YWJjZGVmZ2hpamtsbW5vcA=='],
    ['jörg@in.test', 'box@store.test', 'jörg@in.test ist unbekannt: Größe 12 % zu groß'],
  ])('%s, routed to %s: %s', (written, routed, said) => {
    const input = inputFor(routed, said, written);
    const scrub = scrubber(input);
    expect(scrub.text(said)).toBe(said);
    expect(scrub.octets(Buffer.from(said).toString('latin1'))).toBe(Buffer.from(said).toString('latin1'));
    const remark = scrub.remark(input.recipients[0], said);
    expect(remark).toBe(said);
  });

  it('but a word of the language too is the address where it is named as one', () => {
    const input = inputFor('info@store.test', '');
    for (const said of ['user info unknown', 'mailbox: info', '<info> is full', 'uid=info,ou=people', "no 'info' here"])
      expect(scrubber(input).remark(input.recipients[0], said)).not.toContain('info');
  });

  it('and an address of the same words elsewhere is not his, and not the routed one', () => {
    const input = inputFor('box4711@store.test', '');
    for (const said of ['box47112@store.test', 'abox4711@store.test', 'box4711@store.test-two'])
      expect(scrubber(input).text(said)).toBe(said);
  });
});

describe('any mixture', () => {
  it('of forms, noise and known addresses loses the routed one and keeps the others', () => {
    let state = 20_261_129;
    const random = (below: number) => {
      state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
      return Math.floor((state / 4_294_967_296) * below);
    };
    const pick = <T>(of: readonly T[]): T => of[random(of.length)] as T;
    const forms = Object.entries({ ...WHOLE, ...ECHOES });
    for (let round = 0; round < 1_500; round += 1) {
      const [local, domain] = pick(TARGETS);
      const noise = () =>
        pick(['550', '5.1.1', 'said:', '(in reply to RCPT TO)', '“no”', 'Größe', '漢字', '::', '[192.0.2.1]', '']);
      const [name, form] = pick(forms);
      const said = [noise(), form(local, domain), noise(), `<${WRITTEN}>`, noise(), form(local, domain)].join(' ');
      const input = inputFor(`${local}@${domain}`, said);
      const remark = scrubber(input).remark(input.recipients[0], said);
      const where = `round ${round}, ${name}: ${said}\n→ ${remark}`;
      for (const text of readings(remark))
        expect(text.includes(local.toLowerCase().normalize('NFKC')), where).toBe(false);
      expect(remark, where).toContain(`<${WRITTEN}>`);
    }
  });
});

it('reads a long text in a moment', () => {
  const scrub = scrubber(inputFor('box4711@store.test', ''));
  for (const piece of [
    'box4711',
    'box4711 at ',
    'box4711+',
    '"',
    '=40',
    '%40',
    'store.',
    'A',
    '=?u?q?',
    'box4711(',
    '\r\n ',
    '&#64;',
  ]) {
    const text = piece.repeat(Math.ceil(65_536 / piece.length));
    const started = process.cpuUsage();
    scrub.octets(text);
    expect([piece, ownMsSince(started) < 5_000]).toEqual([piece, true]);
  }
});

const reportedFailure: NoticeRecipient = {
  forwardPath: 'bob@example.com',
  originalRecipient: null,
  routedAddress: 'kept.secret7@target.example',
  status: statusOf('5.1.1'),
  reply: null,
  detail: null,
  attempts: 1,
  firstAttemptAt: null,
  lastAttemptAt: null,
  willRetryUntil: null,
  expired: false,
  reported: true,
};
const ann = { address: 'ann@src.example', localPart: 'ann', domain: 'src.example', domainKey: 'src.example' };
const scrubberFor = (recipient: NoticeRecipient) =>
  scrubber({
    kind: 'ndr',
    to: ann,
    from: 'postmaster@example.com',
    postmaster: 'postmaster@example.com',
    reportingMta: 'example.com',
    recipients: [recipient],
  } as unknown as NoticeInput);

describe('another address in a report of a remote', () => {
  const shown = (text: string) => scrubberFor(reportedFailure).remark(reportedFailure, text);
  it.each([
    'further@beyond.example',
    'no: further@beyond.example',
    'further@beyond.example no',
    '<further@beyond.example>',
  ])('is gone wherever it stands: %s', (text) => expect(shown(text)).not.toMatch(/further|beyond/));
});

it.each(['bob@example.com.local', 'bob@example.com.test-google-a.com'])(
  'hides %s, of which an address that the sender knows is the beginning',
  (routed) => {
    const recipient = { ...reportedFailure, routedAddress: routed };
    const scrub = scrubberFor(recipient);
    const said = `550 5.1.1 <${routed}>: user unknown (${routed})`;
    for (const shown of [scrub.remark(recipient, said), scrub.text(said), scrub.octets(said)]) {
      expect(shown).not.toContain(routed);
      expect(shown).toContain('bob@example.com');
    }
  },
);
