// Bodies whose lines are too long for SES: what is encoded anew and what keeps its bytes, as a table; and the promise
// that whoever decodes it sees what he saw before, asked of a reader that is not ours over messages made by chance.

import { describe, expect, it } from 'vitest';
import { headerSection } from '#core/message/header.ts';
import { hasLongLine, mendLines } from '#core/message/reencode.ts';
import { type SesTerms, sesEdit } from '#core/message/ses-edit.ts';
import { shown } from '#test/judges/mime-reading.ts';
import { mimeTree } from '#test/kit/mime-trees.ts';

const evidence = { by: 'submitter', senderDomains: ['example.com'], ourDomains: ['example.com'] } as const;
const terms: SesTerms = { domains: ['example.com'], noticesFrom: 'postmaster@example.com', evidence };
const LONG = 'x'.repeat(1_200);

function mended(bytes: Uint8Array) {
  const section = headerSection(bytes);
  const mend = mendLines(bytes, section);
  const of = (change: { readonly encoding: string | null } | null) => sesEdit(bytes, terms, section, change).header;
  const before = Buffer.concat([of(null), bytes.subarray(section.bodyStart)]);
  if (mend.kind !== 'mended')
    return { kind: mend.kind, why: mend.kind === 'impossible' ? mend.why : null, before, after: before };
  return { kind: mend.kind, why: null, before, after: Buffer.concat([of(mend.change), ...mend.chunks()]) };
}
const message = (...lines: readonly string[]) => Buffer.from(lines.join('\r\n'), 'latin1');
const textOf = (bytes: Uint8Array) => Buffer.from(bytes).toString('latin1');
const longest = (bytes: Uint8Array) =>
  Math.max(
    ...textOf(bytes)
      .split('\n')
      .map((line) => line.replace(/\r$/, '').length),
  );
/** The part behind that boundary line, up to the next one. */
function partOf(bytes: Uint8Array, boundary: string, index: number): string {
  return textOf(bytes).split(new RegExp(`(?:^|\r\n)--${boundary}(?:--)?\r\n`))[index + 1] ?? '';
}
const multipart = (type: string, ...parts: readonly string[]) =>
  message(
    'Subject: s',
    'MIME-Version: 1.0',
    `Content-Type: multipart/${type}; boundary=b`,
    '',
    ...parts.flatMap((part) => ['--b', part]),
    '--b--',
    '',
  );

describe('a message of one part', () => {
  it.each([
    ['text', ['Content-Type: text/plain; charset=iso-8859-1'], 'quoted-printable'],
    ['text that says 8bit', ['Content-Transfer-Encoding: 8bit'], 'quoted-printable'],
    ['text of no type', [], 'quoted-printable'],
    ['a type that is none', ['Content-Type: garbage'], 'quoted-printable'],
    ['a multipart without its boundaries', ['Content-Type: multipart/mixed; boundary=none'], 'quoted-printable'],
    ['text in a wide charset', ['Content-Type: text/plain; charset=UTF-16LE'], 'base64'],
    ['another type', ['Content-Type: application/pdf'], 'base64'],
  ])('%s', (_, fields, encoding) => {
    const { after, kind } = mended(message('Subject: s', ...fields, '', `${LONG} \xfc=`, 'short', ''));
    expect(kind).toBe('mended');
    expect(textOf(after).match(/^Content-Transfer-Encoding: .*\r$/gim)).toEqual([
      `Content-Transfer-Encoding: ${encoding}\r`,
    ]);
    expect(textOf(after)).toContain('MIME-Version: 1.0\r\n');
    expect(longest(after)).toBeLessThanOrEqual(78);
  });

  it('is left alone where no line is too long, however it ends', () => {
    for (const end of ['\r\n', '\n', '']) {
      const bytes = message('Subject: s', '', `${'x'.repeat(998)}${end}${'y'.repeat(998)}${end}`);
      expect(mended(bytes).kind).toBe(end === '' ? 'mended' : 'none');
      expect(mended(message('Subject: s', '', `${'x'.repeat(999)}${end}`)).kind).toBe('mended');
    }
  });

  it('loses the signatures of the body that it had, and a length that is not its own any more', () => {
    const { after } = mended(message('From: ann@example.com', 'DKIM-Signature: v=1', 'Content-Length: 1200', '', LONG));
    expect(textOf(after)).not.toMatch(/DKIM-Signature|Content-Length/);
  });
});

describe('of several parts', () => {
  const SHORT = 'Content-Type: text/plain; charset=x\r\n\r\n\xff\0 bare\rand\nlines ';
  it('only the one with long lines is encoded', () => {
    const { after } = mended(
      multipart('mixed', SHORT, `Content-Type: text/html\r\nContent-Transfer-Encoding: 7bit\r\n\r\n${LONG}`, SHORT),
    );
    expect([partOf(after, 'b', 0), partOf(after, 'b', 2)]).toEqual([SHORT, SHORT]);
    expect(partOf(after, 'b', 1)).toMatch(
      /^Content-Transfer-Encoding: quoted-printable\r\nContent-Type: text\/html\r\n\r\n(?:x+=\r\n)+x+$/,
    );
  });
  it('Base64 without line breaks is only wrapped', () => {
    const octets = Buffer.from(LONG).toString('base64');
    const { after } = mended(
      multipart('mixed', `Content-Type: image/png\r\nContent-Transfer-Encoding: base64\r\n\r\n${octets}`),
    );
    expect(partOf(after, 'b', 0).replace(/\r\n(?=[^\r])/g, '')).toBe(
      `Content-Type: image/pngContent-Transfer-Encoding: base64\r\n${octets}`,
    );
  });
  it('a message within is not encoded itself, its parts are', () => {
    const inner = `Content-Type: message/rfc822\r\n\r\nSubject: inner\r\n\r\n${LONG}`;
    const { after } = mended(multipart('mixed', inner));
    expect(partOf(after, 'b', 0)).toMatch(
      /^Content-Type: message\/rfc822\r\n\r\nContent-Transfer-Encoding: quoted-printable\r\nMIME-Version: 1\.0\r\nSubject: inner\r\n\r\nx+=/,
    );
  });
  it('the fields of a delivery report are folded', () => {
    const part = `Content-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; x\r\n\r\nDiagnostic-Code: smtp; ${'word '.repeat(300)}end`;
    const { after } = mended(multipart('report', part));
    expect(partOf(after, 'b', 0).replace(/\r\n /g, ' ')).toBe(part);
  });
  it('a part that has no header section gets one', () => {
    expect(partOf(mended(multipart('mixed', `\r\n${LONG}`)).after, 'b', 0)).toMatch(
      /^Content-Transfer-Encoding: quoted-printable\r\n\r\nx/,
    );
    expect(partOf(mended(multipart('mixed', LONG)).after, 'b', 0)).toMatch(
      /^Content-Transfer-Encoding: quoted-printable\r\n\r\nx/,
    );
  });
  it('no line that is new can be taken for a boundary', () => {
    const { after } = mended(
      multipart(
        'mixed',
        `\r\n${`${'x'.repeat(74)} --b `.repeat(40)}`,
        `Content-Transfer-Encoding: quoted-printable\r\n\r\n${'--b '.repeat(400)}`,
      ),
    );
    expect(textOf(after).match(/^--b.*$/gm)).toEqual(['--b', '--b', '--b--']);
  });
  it.each([
    ['a preamble', `${LONG}\r\n--b\r\n\r\ntext`],
    ['an epilogue', `--b\r\n\r\ntext\r\n--b--\r\n${'-'.repeat(1_200)}`],
    ['a field of a part', `--b\r\nX-Long: ${LONG}\r\n\r\ntext\r\n--b--`],
    ['blanks behind a boundary', `--b${' '.repeat(1_200)}\r\n\r\ntext\r\n--b--`],
  ])('%s that is too long is broken, and no part is encoded', (_, body) => {
    const { after, kind } = mended(message('Content-Type: multipart/mixed; boundary=b', '', body, ''));
    expect([kind, longest(after) <= 998, textOf(after).includes('Transfer-Encoding')]).toEqual(['mended', true, false]);
    expect(partOf(after, 'b', 0)).toMatch(/\r\n\r\ntext|^\r\ntext/);
  });
});

describe('is given back as it is', () => {
  const part = `Content-Type: text/plain\r\n\r\n${LONG}`;
  it.each([
    ['signed', multipart('signed; micalg=x', part)],
    ['signed', multipart('SIGNED', `Content-Type: message/rfc822\r\n\r\nSubject: s\r\n\r\n${LONG}`)],
    ['signed', multipart('mixed', `Content-Type: multipart/signed; boundary=c\r\n\r\n--c\r\n${part}\r\n--c--`)],
    ['signed', multipart('signed', `X-Long: ${LONG}\r\n\r\ntext`)],
    ['encrypted', multipart('encrypted', part)],
    ['encoding', multipart('mixed', `Content-Type: message/partial\r\n\r\n${LONG}`)],
    ['encoding', multipart('mixed', `Content-Transfer-Encoding: x-uuencode\r\n\r\n${LONG}`)],
    [
      'structure',
      message(
        'Content-Type: multipart/mixed; boundary=b',
        '',
        ...Array.from({ length: 10_001 }, () => '--b\r\n'),
        LONG,
      ),
    ],
  ])('%s', (why, bytes) => {
    expect(mended(bytes)).toMatchObject({ kind: 'impossible', why });
  });
  it('but not for what stands beside it', () => {
    const signed = 'Content-Type: multipart/signed; boundary=c\r\n\r\n--c\r\n\r\nhello\r\n--c--';
    const { after, kind } = mended(multipart('mixed', part, signed));
    expect([kind, partOf(after, 'b', 1)]).toEqual(['mended', signed]);
  });
});

describe('whoever decodes it', () => {
  it('sees what he saw before', async () => {
    let count = 0;
    for (let seed = 0; seed < 600; seed += 1) {
      const { kind, before, after } = mended(mimeTree(seed));
      if (kind !== 'mended') continue;
      count += 1;
      expect(hasLongLine(after, 0, after.length), `seed ${seed}`).toBe(false);
      expect(await shown(after), `seed ${seed}`).toEqual(await shown(before));
    }
    expect(count).toBeGreaterThan(300);
  }, 60_000);
});

describe('messages made to hurt', () => {
  const head = 'Content-Type: multipart/mixed; boundary=b\r\n\r\n';
  it.each([
    ['dashes', `${head}--b\r\n\r\n${LONG}\r\n${'--\n'.repeat(1_000_000)}`],
    ['parts', `${head}${LONG}\r\n${'--b\n'.repeat(1_000_000)}`],
    [
      'quoted-printable',
      `Content-Transfer-Encoding: quoted-printable\r\n\r\n${'=41 '.repeat(500_000)}${' '.repeat(500_000)}`,
    ],
    ['Base64', `Content-Transfer-Encoding: base64\r\n\r\n${'-'.repeat(2_000_000)}`],
    ['empty lines', `\r\n${LONG}${'\n'.repeat(2_000_000)}`],
    [
      'depth',
      `${Array.from({ length: 30 }, (_, at) => `Content-Type: multipart/mixed; boundary=b${at}\r\n\r\n--b${at}\r\n`).join('')}\r\n${LONG}\r\n${'--b\n'.repeat(500_000)}`,
    ],
    ['header sections', `${head}${LONG}\r\n${`--b\r\nX: ${'y'.repeat(500_000)}\r\n`.repeat(4)}`],
    ['parameters', `Content-Type: multipart/mixed${'; a="'.repeat(200_000)}\r\n\r\n${LONG}`],
  ])('%s, in little time', (_, text) => {
    const from = process.cpuUsage();
    const { after } = mended(Buffer.from(text, 'latin1'));
    expect(after.length).toBeGreaterThan(0);
    expect(process.cpuUsage(from).user / 1_000).toBeLessThan(10_000); // a second pass over the bytes for each of them would take minutes
  });
});
