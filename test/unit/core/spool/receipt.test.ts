// SES's notifications as documented and as seen, and every way in which one may be wrong: read, known as SES's own
// test, or malformed. Never skipped: a notification that is not understood must end in the dead-letter queue.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { readReceipt } from '#core/spool/receipt.ts';

const event = (name: string) =>
  readFileSync(join(import.meta.dirname, '../../../fixtures/events', `${name}.json`), 'utf8');
const KEY = 'in/d6iitobk75ur44p8kdnnp7g2n800';

describe('readReceipt', () => {
  it.each(['received', 'received-in-sns-envelope'])('reads %s', (name) => {
    const reading = readReceipt(event(name), 'in/');
    expect(reading).toMatchObject({
      kind: 'receipt',
      receipt: {
        sesMessageId: 'd6iitobk75ur44p8kdnnp7g2n800',
        recipients: ['recipient@example.com'],
        acceptedAt: Date.UTC(2015, 8, 11, 20, 32, 33, 936),
        objectKey: KEY,
        bucketName: 'my-S3-bucket',
        headersTruncated: false,
        verdicts: { spam: 'PASS', virus: 'PASS', spf: 'PASS', dkim: 'PASS', dmarc: 'FAIL', dmarcPolicy: 'reject' },
      },
    });
  });
  it('takes what is missing, new or disabled for no result, and a bare key for one below the prefix', () => {
    expect(readReceipt(event('received-sparse'), 'in/')).toMatchObject({
      kind: 'receipt',
      receipt: {
        source: '',
        objectKey: KEY,
        verdicts: {
          spam: 'DISABLED',
          virus: 'DISABLED',
          spf: 'PROCESSING_FAILED',
          dkim: 'PROCESSING_FAILED',
          dmarc: 'GRAY',
          dmarcPolicy: null,
        },
      },
    });
  });
  it('knows a list of headers that is cut off', () => {
    expect(readReceipt(event('received-headers-truncated'), 'in/')).toMatchObject({
      receipt: { headersTruncated: true },
    });
  });
  it("knows SES's own test", () => {
    expect(readReceipt(event('setup-notification'), 'in/')).toEqual({ kind: 'setup' });
  });

  const changed = (path: readonly string[], value: unknown): string => {
    const whole = JSON.parse(event('received'));
    let at = whole;
    for (const name of path.slice(0, -1)) at = at[name];
    at[path.at(-1) ?? ''] = value;
    return JSON.stringify(whole);
  };
  it.each([
    ['no JSON', 'hello'],
    ['nothing', ''],
    ['null', 'null'],
    ['a list', '[]'],
    ["another service's event", '{"Records":[{"eventSource":"aws:s3"}]}'],
    ["S3's test event", '{"Service":"Amazon S3","Event":"s3:TestEvent"}'],
    ['no message id', changed(['mail', 'messageId'], undefined)],
    ['a message id that is a path', changed(['mail', 'messageId'], '../../etc/passwd')],
    ['no recipients', changed(['receipt', 'recipients'], [])],
    ['recipients that are no list', changed(['receipt', 'recipients'], 'a@example.com')],
    ['no receipt', changed(['receipt'], undefined)],
    ['no timestamp', changed(['receipt', 'timestamp'], 'yesterday')],
  ])('says that it does not understand %s', (_name, body) => {
    expect(readReceipt(body, 'in/').kind).toBe('malformed');
  });
});
