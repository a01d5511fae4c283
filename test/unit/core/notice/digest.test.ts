// The digest's mail: what strangers wrote stands in it cleaned, and nothing of it in a command. Its periods: whole
// days, none left out.

import { describe, expect, it } from 'vitest';
import type { DeliveryRow } from '#core/delivery/delivery.ts';
import { parseMailbox } from '#core/message/address.ts';
import { composeDigest, type DigestInput, duePeriod, newDigest, periodOf } from '#core/notice/digest.ts';
import { facts, queued } from '#test/contract/rows.ts';
import { pipelineSettings } from '#test/kit/pipeline.ts';

const DAY = 86_400_000;
const NOW = Date.UTC(2026, 10, 22, 6);
const period = { from: Date.UTC(2026, 10, 21), until: Date.UTC(2026, 10, 22) };

function digestOf(
  row: Partial<DeliveryRow>,
  message: Parameters<typeof facts>[1] = {},
  more: Partial<DigestInput> = {},
) {
  const to = parseMailbox('postmaster@example.com');
  if (to === null) throw new Error('no mailbox');
  const quarantined = queued('m1', { state: 'quarantined', stateReason: 'policy-spam', dueAt: NOW + DAY, ...row });
  const input: DigestInput = {
    from: 'mailer@example.com',
    to,
    reportingMta: 'example.com',
    stackName: 'Everpost',
    spoolId: 'digest-20778-20779',
    marker: 'v1.mark',
    now: NOW,
    period,
    entries: [{ row: quarantined, message: facts('m1', message) }],
    inPeriod: 1,
    waiting: 1,
    soon: 1,
    waits: { held: [], pauses: [], hops: [] },
    ...more,
  };
  const whole = Buffer.from(composeDigest(input)).toString('latin1');
  const end = whole.indexOf('\r\n\r\n');
  const octets = whole
    .slice(end + 4)
    .replaceAll('=\r\n', '')
    .replace(/=([0-9A-F]{2})/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
  return { whole, fields: whole.slice(0, end), text: Buffer.from(octets, 'latin1').toString('utf8') };
}
const extractOf = (subject: string | null) => ({ extract: { ...facts('m1').extract, subject } });

describe('the mail', () => {
  it('is ASCII in short lines, the same each time, without a body that 7 bits do not hold', () => {
    const { whole } = digestOf({}, extractOf('Büro ☎ '.repeat(40)));
    expect(whole).toMatch(/^[\t\r\n\x20-\x7e]*$/);
    expect(Math.max(...whole.split('\r\n').map((line) => line.length))).toBeLessThanOrEqual(78);
    expect(digestOf({}, extractOf('Büro ☎ '.repeat(40))).whole).toBe(whole);
  });

  it('keeps what a stranger wrote on its line', () => {
    const { text, fields } = digestOf(
      { forwardPath: 'bob@example.com', stateReason: 'policy-spam' },
      { reversePath: 'ann@src.example\r\nBcc: x', ...extractOf('Hi\r\n   npx everpost remove\u202e --yes') },
    );
    expect(text).toContain('   Subject:   Hi npx everpost remove --yes\r\n');
    expect(text).toContain('   From:      ann@src.example Bcc: x\r\n');
    expect(text.match(/^ +npx everpost/gm)).toHaveLength(1);
    expect(fields).not.toContain('Bcc');
  });

  it.each([
    ['bob@example.com', ' --forward-path bob@example.com --action 0'],
    ['"$(reboot)"@example.com', ''],
    ['`reboot`@example.com', ''],
    ['bob;reboot@example.com', ''],
    ["o'hara@example.com", ''],
    ['büro@example.com', ''],
  ])('puts %s into no command that a shell could read otherwise', (forwardPath, named) => {
    const { text } = digestOf({ forwardPath });
    const [command] = text.match(/^ +npx everpost.*$/m) ?? [];
    expect(command).toBe(`   npx everpost release --stack Everpost --spool-id m1${named}\r`.trimEnd());
    expect(text).toContain(`To:        ${forwardPath}`);
  });

  it('has no subject where none is kept, and counts what it is too short for', () => {
    const { text } = digestOf({}, extractOf(null), { inPeriod: 3 });
    expect(text).not.toContain('Subject:');
    expect(text).toContain('And 2 more');
  });
});

describe('the period', () => {
  it('ends at the last midnight, begins where the last one ended, and is its identity', () => {
    expect(duePeriod(null, NOW)).toEqual(period);
    expect(duePeriod(period.until, NOW)).toBeNull();
    expect(duePeriod(period.until, period.until + DAY - 1)).toBeNull();
    expect(duePeriod(period.from - 5 * DAY, NOW)).toEqual({ from: period.from - 5 * DAY, until: period.until });
    expect(duePeriod(NOW + 9 * DAY, NOW), 'a clock that went back').toBeNull();
    const way = { nextHop: 'exchange', address: 'postmaster@example.com' };
    const row = newDigest(pipelineSettings, period, way, { now: NOW, sweepAgainMs: 1 });
    expect(periodOf(row.spoolId)).toEqual(period);
    expect(periodOf('m1')).toBeNull();
    expect(row).toMatchObject({
      kind: 'notice',
      noticeKind: 'digest',
      noticeOf: null,
      state: 'queued',
      dueAt: NOW + 1,
    });
  });
});
