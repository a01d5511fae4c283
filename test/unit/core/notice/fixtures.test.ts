// Runs every case of test/fixtures/dsn: NN-name.{delivery.json,why,expected.eml} and, where there is an original,
// NN-name.eml. UPDATE=1 rewrites the expectations that differ, and refuses to where CI is set.

import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import type { DeliveryRow, MessageFacts, NoticeKind } from '#core/delivery/delivery.ts';
import type { Mailbox } from '#core/message/address.ts';
import { composeNotice } from '#core/notice/compose.ts';
import { type NoticeInput, type NoticeOriginal, noticeMessageId, noticeRecipient } from '#core/notice/input.ts';
import { statusOf } from '#core/reply/status.ts';
import { mailDiff } from '#test/judges/mail-diff.ts';
import { judgeNotice } from '#test/judges/rfc3464.ts';

const FOLDER = new URL('../../../fixtures/dsn/', import.meta.url);
const at = (iso: string) => Date.parse(iso);

/** What a case may say; the rest is as in `row` and `message` below. Instants are ISO 8601. */
type Case = {
  kind: NoticeKind;
  to?: Mailbox;
  smtputf8?: boolean;
  repeated?: boolean;
  original: NoticeOriginal['kind'];
  row: Record<string, unknown>;
  message?: Record<string, unknown>;
  /** Text that must not be anywhere in the notice, in whatever case. */
  hidden?: string[];
};

const message: MessageFacts = {
  spoolId: 'd6iitobk75ur44p8kdnnp7g2n800',
  direction: 'inbound',
  reversePath: 'ann@src.example',
  objectKey: 'in/d6iitobk75ur44p8kdnnp7g2n800',
  size: 1234,
  objectVersion: null,
  extract: { from: null, to: null, date: null, subject: null, messageIdField: null, autoSubmitted: null },
  verdicts: null,
  acceptedAt: at('2026-09-11T20:32:33Z'),
  configVersion: '1',
};

const row: DeliveryRow = {
  schema: 1,
  spoolId: message.spoolId,
  deliveryKey: 'bob@example.com|0|0',
  version: 3,
  kind: 'delivery',
  noticeOf: null,
  noticeKind: null,
  forwardPath: 'bob@example.com',
  route: 0,
  action: 0,
  nextHop: 'exchange',
  address: 'bob@example.com',
  copy: false,
  fallback: null,
  state: 'failed',
  stateReason: 'refused',
  attempts: 1,
  claims: 0,
  acceptedAt: message.acceptedAt,
  firstAttemptAt: at('2026-09-11T20:32:34Z'),
  lastAttemptAt: at('2026-09-11T20:32:34Z'),
  nextAttemptAt: 0,
  expiresAt: at('2026-09-13T20:32:33Z'),
  leaseUntil: null,
  dueAt: null,
  lastReply: {
    code: 550,
    status: statusOf('5.1.1'),
    text: '<bob@example.com>: no such user here',
    host: 'mail.dest.example',
  },
  lastStatus: statusOf('5.1.1'),
  lastReason: 'refused',
  lastDetail: null,
  possibleDuplicate: false,
  notice: null,
  message: null,
  trace: [],
};

const ann: Mailbox = { address: 'ann@src.example', localPart: 'ann', domain: 'src.example', domainKey: 'src.example' };

const stems = readdirSync(FOLDER)
  .filter((name) => name.endsWith('.delivery.json'))
  .map((name) => name.slice(0, -'.delivery.json'.length))
  .sort();

describe('notices, as files', () => {
  it('has its cases', () => expect(stems.length).toBeGreaterThanOrEqual(20));

  it.each(stems)('%s', (stem) => {
    const given = JSON.parse(readFileSync(file(stem, 'delivery.json'), 'utf8')) as Case;
    const notice = composeNotice(inputOf(stem, given));
    expect(judgeNotice(notice)).toEqual([]);
    const octets = Buffer.from(notice).toString('latin1').toLowerCase();
    for (const text of given.hidden ?? []) expect(octets).not.toContain(text.toLowerCase());
    expect(readFileSync(file(stem, 'why'), 'utf8').trim()).toMatch(/^\S.*\. \S.*\.$/s);
    expectSame(stem, notice);
  });
});

function inputOf(stem: string, given: Case): NoticeInput {
  const reported: DeliveryRow = { ...row, ...instants(given.row) };
  return {
    kind: given.kind,
    from: 'postmaster@example.com',
    to: given.to ?? ann,
    postmaster: 'postmaster@example.com',
    reportingMta: 'example.com',
    messageIdField: noticeMessageId({
      spoolId: message.spoolId,
      deliveryKey: reported.deliveryKey,
      kind: given.kind,
      host: 'example.com',
    }),
    marker: '1 Zm9yIHRoZSBmaXh0dXJlcyBhbG9uZQ',
    now: at('2026-09-13T20:32:40Z'),
    message: { ...message, ...instants(given.message ?? {}) },
    recipients: [noticeRecipient(reported, given.kind)],
    original:
      given.original === 'unavailable'
        ? { kind: 'unavailable' }
        : { kind: given.original, bytes: readFileSync(file(stem, 'eml')) },
    smtputf8: given.smtputf8 ?? false,
    repeated: given.repeated === true,
    threading: true,
  };
}

function instants(given: Record<string, unknown>): Record<string, unknown> {
  const entries = Object.entries(given).map(([key, value]) => [
    key,
    /At$/.test(key) && typeof value === 'string' ? at(value) : value,
  ]);
  return Object.fromEntries(entries);
}

function expectSame(stem: string, notice: Uint8Array): void {
  const path = file(stem, 'expected.eml');
  const differences = existsSync(path) ? mailDiff(readFileSync(path), notice) : ['there is no expectation'];
  if (differences.length > 0 && process.env.UPDATE === '1') {
    if (process.env.CI) throw new Error('expectations are not rewritten in CI');
    writeFileSync(path, notice);
    return;
  }
  expect(differences).toEqual([]);
}

function file(stem: string, ending: string): URL {
  return new URL(`${stem}.${ending}`, FOLDER);
}
