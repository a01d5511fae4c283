// The messages that benchmarks send: exact sizes, the same bytes on every machine. A header section as SES delivers it,
// a short text part with a dotted line, and a base64 attachment that does not compress.

export const sizes = { '4k': 4_096, '75k': 75_000, '1m': 1 << 20, '10m': 10 << 20, '36m': 36 << 20 } as const;
export type SizeName = keyof typeof sizes;

const BOUNDARY = '=_benchmark_0123456789';
const HEAD = [
  'Return-Path: <bounces+42@list.sender.example>',
  'Received: from mail-out.sender.example (mail-out.sender.example [192.0.2.10])',
  ' by inbound-smtp.eu-west-1.amazonaws.com with SMTP id k3v0p3l0o9 for info@example.com;',
  ' Sun, 22 Nov 2026 10:00:00 +0000 (UTC)',
  'X-SES-Spam-Verdict: PASS',
  'X-SES-Virus-Verdict: PASS',
  'Received-SPF: pass (spfCheck: domain of list.sender.example designates 192.0.2.10 as permitted sender)',
  ' client-ip=192.0.2.10; envelope-from=bounces+42@list.sender.example; helo=mail-out.sender.example;',
  'Authentication-Results: amazonses.com; spf=pass client-ip=192.0.2.10;',
  ' dkim=pass header.i=@sender.example; dmarc=pass header.from=sender.example;',
  'DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed; d=sender.example; s=one;',
  `\th=from:to:subject:date:message-id:mime-version:content-type; bh=${'Q'.repeat(43)}=;`,
  `\tb=${'Q'.repeat(76)}`,
  `\t ${'Z'.repeat(76)}`,
  'From: "Ann Sender" <ann@sender.example>',
  'To: info@example.com',
  'Subject: =?utf-8?Q?Quarterly_figures_=E2=80=94_draft?=',
  'Date: Sun, 22 Nov 2026 09:59:57 +0000',
  'Message-ID: <20261122095957.benchmark@sender.example>',
  'MIME-Version: 1.0',
  `Content-Type: multipart/mixed; boundary="${BOUNDARY}"`,
  '',
  `--${BOUNDARY}`,
  'Content-Type: text/plain; charset=utf-8',
  'Content-Transfer-Encoding: 8bit',
  '',
  'Here are the figures, Jörg.',
  '.a line that begins with a dot',
  `--${BOUNDARY}`,
  'Content-Type: application/pdf; name=figures.pdf',
  'Content-Transfer-Encoding: base64',
  '',
  '',
].join('\r\n');
const TAIL = `\r\n--${BOUNDARY}--\r\n`;

/** A message of exactly `bytes` bytes; throws below the size of its own header. */
export function messageOf(bytes: number): Buffer {
  const head = Buffer.from(HEAD);
  const room = bytes - head.length - TAIL.length;
  if (room < 0) throw new Error(`no message of ${bytes} bytes: its header has ${head.length}`);
  const body = Buffer.alloc(room);
  let seed = 12_345;
  const raw = Buffer.alloc(57 * 1_024);
  for (let at = 0; at < room; ) {
    for (let i = 0; i + 4 <= raw.length; i += 4) {
      seed ^= seed << 13; // xorshift: no chance, and nothing to compress
      seed ^= seed >>> 17;
      seed ^= seed << 5;
      raw.writeInt32LE(seed, i);
    }
    const lines: string[] = [];
    for (let i = 0; i < raw.length; i += 57) lines.push(raw.toString('base64', i, i + 57), '\r\n');
    at += body.write(lines.join(''), at, 'latin1');
  }
  if (room >= 2) body.fill('A', room - 2); // never half a line end
  return Buffer.concat([head, body, Buffer.from(TAIL)]);
}
